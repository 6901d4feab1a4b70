"""alibi's SHAP explainers: KernelShap of anything that predicts, TreeShap of a tree model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from umbel.explainers.alibi_library import (
    KernelShap,
    TreeShap,
    by_number,
    plain,
    rank_by_importance,
    saved_by_alibi,
)
from umbel.explainers.batch_predictor import BatchPredictor
from umbel.explainers.budget import BudgetSpent
from umbel.explainers.explanations import Explanation, Job, OpenedMethod, Opening
from umbel.explainers.methods import KERNEL_SHAP
from umbel.explainers.random_numbers import RandomStream
from umbel.graph.errors import DeclarationError, InvalidInput

ROWS_AT_ONCE = 256
"""Rows that TreeShap explains between two looks at the clock."""


def open_method(opening: Opening, random: RandomStream) -> OpenedMethod:
    """The SHAP method that ``opening`` names."""
    if opening.method is KERNEL_SHAP:
        return KernelShapMethod(opening, random)
    return TreeShapMethod(opening, random)


class KernelShapMethod:
    """One explanation of all rows. alibi's explainer is built with the first job: it predicts
    its background rows while it is fitted."""

    whole = True

    def __init__(self, opening: Opening, random: RandomStream) -> None:
        self._opening, self._random = opening, random
        self._explainer: Any = None
        self._predict: BatchPredictor | None = None

    def explain(self, job: Job) -> list[Explanation]:
        """SHAP values of the rows, or of the first ones where the budget was spent."""
        if not len(job.x):
            raise InvalidInput("instances: expected at least one row")
        self._predict = job.predict
        if self._explainer is None:
            with self._random.building():
                self._explainer = self._built()
        options = {"silent": True, **job.given("nsamples", "l1_reg")}
        done: list[Any] = []
        with self._random.explaining(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for row in job.x:
                try:
                    done.append(self._explainer.explain(row[None], **options))
                except BudgetSpent:
                    if not done:
                        raise
                    break
        return [joined([plain(one) for one in done])]

    def _built(self) -> Any:
        options = self._opening.options
        if self._opening.pickled is not None:
            try:
                return saved_by_alibi(self._opening.pickled, "KernelShap", self._ask)
            except ValueError as error:
                raise DeclarationError(str(error)) from error
        explainer = KernelShap(
            self._ask,
            categorical_names=by_number(options.get("categorical_names")),
            seed=self._opening.seed,
            **self._opening.given("link", "task", "feature_names"),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return explainer.fit(
                self._opening.arrays["x"],
                **self._opening.given(
                    "summarise_background", "n_background_samples", "groups", "group_names"
                ),
            )

    def _ask(self, batch: Any) -> Any:
        assert self._predict is not None  # noqa: S101  explain has set it
        return self._predict(batch)


class TreeShapMethod:
    """One explanation of all rows, computed from the trees themselves: nothing is predicted."""

    whole = True

    def __init__(self, opening: Opening, random: RandomStream) -> None:
        model = getattr(opening.runtime, "underlying", None)
        if model is None:
            raise DeclarationError(
                f"{opening.method.name!r} explains tree models of scikit-learn, XGBoost and "
                "LightGBM"
            )
        options = opening.options
        self._random = random
        try:
            with random.building(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._explainer = TreeShap(
                    model,
                    categorical_names=by_number(options.get("categorical_names")),
                    seed=opening.seed,
                    **opening.given("model_output", "task", "feature_names"),
                ).fit(opening.arrays.get("x"))
        except Exception as error:  # shap raises a bare Exception for models it does not know
            raise DeclarationError(f"shap cannot explain this model: {error}") from error

    def explain(self, job: Job) -> list[Explanation]:
        """SHAP values of the rows, or of the first ones where the budget was spent."""
        if not len(job.x):
            raise InvalidInput("instances: expected at least one row")
        options = job.given("approximate", "interactions")
        done: list[Explanation] = []
        with self._random.explaining(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for start in range(0, len(job.x), ROWS_AT_ONCE):
                try:
                    job.budget.check()
                except BudgetSpent:
                    if not done:
                        raise
                    break
                rows = job.x[start : start + ROWS_AT_ONCE]
                done.append(plain(self._explainer.explain(rows, **options)))
        return [joined(done)]


def joined(parts: list[Explanation]) -> Explanation:
    """Explanations of rows as the one that alibi gives for all of them together."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    data = dict(first["data"])
    for name in ("shap_values", "shap_interaction_values"):
        if data.get(name):
            by_part = [part["data"][name] for part in parts]
            data[name] = [
                [row for values in outs for row in values] for outs in zip(*by_part, strict=True)
            ]
    raw = dict(data["raw"])
    for name in ("raw_prediction", "prediction", "instances", "labels"):
        if isinstance(raw.get(name), list):
            raw[name] = [row for part in parts for row in part["data"]["raw"][name]]
    values = [np.asarray(one) for one in data["shap_values"]]
    ranked = rank_by_importance(values, feature_names=data["feature_names"])
    raw["importances"] = {
        key: {"ranked_effect": found["ranked_effect"].tolist(), "names": list(found["names"])}
        for key, found in ranked.items()
    }
    data["raw"] = raw
    return {"meta": first["meta"], "data": data}
