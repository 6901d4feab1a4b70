"""alibi's counterfactuals by reinforcement learning: a row near the given one that the model
answers differently. The networks are trained once (``explainer.save``) and served from a folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from umbel.explainers.batch_predictor import Array, BatchPredictor
from umbel.explainers.counterfactual_networks import (
    CLASSES,
    Table,
    from_weights,
    own_random_numbers,
    saved_explainer,
    table_of,
    trained,
)
from umbel.explainers.explanations import Explanation, Job, OpenedMethod, Opening
from umbel.explainers.methods import COUNTERFACTUAL_TABULAR
from umbel.explainers.random_numbers import RandomStream
from umbel.graph.errors import DeclarationError, InvalidInput, RequestFailed
from umbel.nodes.descriptions import clip


def open_method(opening: Opening, random: RandomStream) -> OpenedMethod:
    """Counterfactuals with the weights of ``opening``, or of a folder that alibi saved."""
    if opening.pickled is None and not opening.weights:
        if opening.method is COUNTERFACTUAL_TABULAR:
            raise DeclarationError(
                "its networks are trained before they serve: call "
                f'explainer("{opening.method.name}", of=model, train=X).save("folder") once, then '
                'write uri="folder"'
            )
        raise DeclarationError(
            f"{opening.method.name!r} is read from a folder that alibi saved (explainer.save): "
            f"write uri=; for table rows, {COUNTERFACTUAL_TABULAR.name!r} is trained for you"
        )
    return Counterfactuals(opening, random)


def fit(opening: Opening, predict: Callable[[Any], Array]) -> Mapping[str, Array]:
    """Train the networks on the model's answers; minutes. Raises ``DeclarationError``."""
    table = table_of(opening)
    labels = predict(table.rows)
    classes = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
    if classes < 2 or (labels.ndim == 1 and not np.equal(labels, labels.astype(int)).all()):
        raise DeclarationError(
            "counterfactuals are of classifiers: the model gives neither classes [rows] nor "
            "scores [rows, classes]"
        )
    return trained(opening, table, _scores_of(predict, table, classes), classes)


class Counterfactuals:
    """One explanation of all instances. alibi's explainer is made with the first job."""

    whole = True

    def __init__(self, opening: Opening, random: RandomStream) -> None:
        self._opening, self._random = opening, random
        pickled = opening.pickled is not None
        self._table = None if pickled else table_of(opening)
        self._classes = None if pickled else int(opening.weights[CLASSES][0])
        self._explainer: Any = None
        self._predict: BatchPredictor | None = None

    def explain(self, job: Job) -> list[Explanation]:
        """A counterfactual of each instance, or several of one (``diversity``)."""
        if not len(job.x):
            raise InvalidInput("instances: expected at least one")
        self._predict = job.predict
        with own_random_numbers():
            if self._explainer is None:
                with self._random.building():
                    self._explainer = self._built()
            names = self._explainer.params.get("feature_names") or []
            x = job.x if job.x.dtype.kind == "f" else job.x.astype(np.float64)
            options: dict[str, Any] = {"Y_t": self._targets(job)}
            if self._opening.method is COUNTERFACTUAL_TABULAR:
                self._check_rows(x, names)
                options["C"] = _conditions(job, self._explainer.params)
                options |= _diversity(job)
            with self._random.explaining():
                try:
                    found = self._explainer.explain(x, **options)
                except (ValueError, KeyError) as error:
                    raise InvalidInput(f"alibi refuses this: {error}") from error
        params = {**found.meta["params"], "device": str(found.meta["params"].get("device", ""))}
        found.meta = {**found.meta, "params": params}
        told: Explanation = json.loads(found.to_json())
        return [told]

    def _built(self) -> Any:
        if self._table is not None:
            ask = _scores_of(self._ask, self._table, self._classes)
            return from_weights(self._opening, self._table, ask, self._opening.weights)
        folder = self._opening.pickled
        assert folder is not None  # noqa: S101  the constructor made a table otherwise
        tabular = self._opening.method is COUNTERFACTUAL_TABULAR
        name = "CounterfactualRLTabular" if tabular else "CounterfactualRL"
        try:
            return saved_explainer(folder, name, _scores_of(self._ask, None, None))
        except ValueError as error:
            raise DeclarationError(str(error)) from error

    def _ask(self, batch: Any) -> Array:
        assert self._predict is not None  # noqa: S101  explain has set it
        return self._predict(batch)

    def _targets(self, job: Job) -> Array:
        """The class that each instance's counterfactual should have."""
        asked = job.options.get("target")
        now = self._explainer.params["predictor"](job.x)
        classes = now.shape[1]
        if asked is None and classes == 2:
            return np.asarray(1 - np.argmax(now, axis=1))
        several = asked if isinstance(asked, (list, tuple)) else [asked] * len(job.x)
        if len(several) != len(job.x) or not all(
            isinstance(one, int) and not isinstance(one, bool) and 0 <= one < classes
            for one in several
        ):
            raise InvalidInput(
                f"parameter 'target': expected a class from 0 to {classes - 1}, or one for each "
                f"of the {len(job.x)} instances, got {clip(repr(asked))}"
            )
        return np.array(several)

    def _check_rows(self, x: Array, names: list[str]) -> None:
        categories = self._explainer.params["category_map"]
        if x.shape[1] != len(names):
            raise InvalidInput(f"instances: expected rows of {len(names)}, got {x.shape[1]}")
        if not np.isfinite(x).all():
            raise InvalidInput("instances: expected numbers, got NaN or infinity")
        for at, values in categories.items():
            if not np.isin(x[:, at], np.arange(len(values))).all():
                raise InvalidInput(
                    f"instances: feature {names[at]!r} is a category from 0 to {len(values) - 1}"
                )


def _scores_of(
    predict: Callable[[Any], Array], table: Table | None, classes: int | None
) -> Callable[[Any], Array]:
    """The model as alibi asks it: rows of any type in, scores of the classes out."""
    kind = np.dtype(np.float64) if table is None else table.rows.dtype

    def scores(batch: Any) -> Array:
        rows = np.asarray(batch)
        found = predict(rows.astype(kind) if rows.dtype == object else rows)
        if found.ndim == 2 and found.shape[1] > 1:
            return found
        if classes is None:
            raise RequestFailed("counterfactuals need a model that gives scores [rows, classes]")
        labels = found.reshape(len(found), -1)[:, 0].astype(int)
        return np.asarray(np.eye(classes)[np.clip(labels, 0, classes - 1)])

    return scores


def _conditions(job: Job, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """alibi's conditions: for a number how far it may move, for a category what it may be."""
    asked = job.options.get("conditions") or []
    several = [asked] if isinstance(asked, Mapping) else asked
    if not isinstance(several, (list, tuple)) or len(several) not in (0, 1, len(job.x)):
        raise InvalidInput(
            f"parameter 'conditions': expected an object, or a list of 1 or {len(job.x)}"
        )
    names, categories = params["feature_names"], params["category_map"]
    for one in several:
        if not isinstance(one, Mapping):
            raise InvalidInput(f"parameter 'conditions': expected objects, got {clip(repr(one))}")
        for name, value in one.items():
            at = names.index(name) if name in names else -1
            if at < 0:
                problem = f"there is no feature {clip(repr(name))}; there are {names}"
            elif at in categories:
                fits = (
                    isinstance(value, list)
                    and value
                    and set(map(str, value)) <= set(categories[at])
                )
                problem = "" if fits else f"{name!r} is a list of some of {categories[at]}"
            else:
                problem = "" if _is_range(value) else f"{name!r} is [-1 to 0, 0 to 1]"
            if problem:
                raise InvalidInput(f"parameter 'conditions': {problem}")
    return [dict(one) for one in several]


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in value)
        and -1 <= value[0] <= 0 <= value[1] <= 1
    )


def _diversity(job: Job) -> dict[str, Any]:
    if not job.options.get("diversity"):
        return {}
    if len(job.x) != 1:
        raise InvalidInput(f"parameter 'diversity': of one instance, not of {len(job.x)}")
    return {"diversity": True, **job.given("num_samples", "patience", "tolerance")}
