"""alibi's methods on a whole data set: how a prediction depends on each feature, and how much
each feature matters. The rows are the caller's, or the training rows where none come."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from umbel.explainers.alibi_library import (
    ALE,
    PartialDependence,
    PermutationImportance,
    by_number,
    plain,
)
from umbel.explainers.budget import BudgetSpent
from umbel.explainers.explanations import Explanation, Job, OpenedMethod, Opening
from umbel.explainers.methods import ALE as ALE_METHOD
from umbel.explainers.methods import PARTIAL_DEPENDENCE
from umbel.explainers.random_numbers import RandomStream
from umbel.graph.errors import InvalidInput

FEWEST_ROWS = 2


def open_method(opening: Opening, random: RandomStream) -> OpenedMethod:
    """The method that ``opening`` names."""
    kinds: dict[str, type[_Kind]] = {
        PARTIAL_DEPENDENCE.name: _PartialDependence,
        ALE_METHOD.name: _Ale,
    }
    return Effects(opening, random, kinds.get(opening.method.name, _Importance)(opening))


class Effects:
    """One explanation of the data set, worked out feature by feature, so that those that were
    done count where the budget was spent on the way."""

    whole = True

    def __init__(self, opening: Opening, random: RandomStream, kind: _Kind) -> None:
        self._opening, self._random, self._kind = opening, random, kind

    def explain(self, job: Job) -> list[Explanation]:
        """The curves, or the importances, of the features."""
        x, y = self._data(job)
        features = self._features(job, x.shape[1])
        done: list[Explanation] = []
        with self._random.building(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            explainer = self._kind.made(_Remembering(job.predict, x))
            for feature in features:
                try:
                    done.append(plain(self._kind.explained(explainer, job, x, y, [feature])))
                except BudgetSpent:
                    if not done:
                        raise
                    break
        return [self._kind.joined(done)]

    def _data(self, job: Job) -> tuple[Any, Any]:
        asked = len(job.x) > 0
        x = job.x if asked else self._opening.arrays.get("x")
        if x is None or len(x) < FEWEST_ROWS:
            raise InvalidInput(
                f"instances: expected a data set of at least {FEWEST_ROWS} rows"
                + ("" if asked else ", since the explainer has no rows of its own")
            )
        y = job.options.get("y") if asked else self._opening.arrays.get("y")
        return x, None if y is None else np.asarray(y)

    def _features(self, job: Job, width: int) -> list[Any]:
        asked = job.options.get("features")
        if not asked:
            return list(range(width))
        found = [tuple(f) if isinstance(f, (list, tuple)) else f for f in asked]
        for feature in found:
            for one in feature if isinstance(feature, tuple) else (feature,):
                if isinstance(one, bool) or not isinstance(one, int) or not 0 <= one < width:
                    raise InvalidInput(
                        f"parameter 'features': expected numbers from 0 to {width - 1}, got {one!r}"
                    )
        return found


class _Remembering:
    """The predictor, with the predictions of the data set itself kept: each feature wants them."""

    def __init__(self, predict: Callable[[Any], Any], x: Any) -> None:
        self._predict, self._x = predict, x
        self._kept: Any = None

    def __call__(self, batch: Any) -> Any:
        if batch is not self._x:
            return self._predict(batch)
        if self._kept is None:
            self._kept = self._predict(batch)
        return self._kept


class _Kind:
    """How alibi makes and asks one of its explainers, and which lists go by feature."""

    by_feature: tuple[str, ...] = ("feature_names",)

    def __init__(self, opening: Opening) -> None:
        self.opening = opening

    def made(self, predict: Callable[[Any], Any]) -> Any:
        """alibi's explainer. Cheap: there is nothing to fit."""
        raise NotImplementedError

    def explained(self, explainer: Any, job: Job, x: Any, y: Any, features: list[Any]) -> Any:
        """alibi's explanation of some features."""
        raise NotImplementedError

    def joined(self, parts: list[Explanation]) -> Explanation:
        """Explanations of one feature each as one of all."""
        data = dict(parts[0]["data"])
        for name in self.by_feature:
            if isinstance(data.get(name), list):
                data[name] = [one for part in parts for one in part["data"][name]]
        return {"meta": parts[0]["meta"], "data": data}


class _PartialDependence(_Kind):
    by_feature = ("feature_names", "feature_values", "ice_values", "pd_values", "feature_deciles")

    def made(self, predict: Callable[[Any], Any]) -> Any:
        names = by_number(self.opening.options.get("categorical_names"))
        given = self.opening.given("feature_names", "target_names")
        return PartialDependence(predict, categorical_names=names, **given)

    def explained(self, explainer: Any, job: Job, x: Any, y: Any, features: list[Any]) -> Any:
        options = job.given("kind", "grid_resolution")
        percentiles = job.options.get("percentiles")
        if percentiles:
            options["percentiles"] = tuple(percentiles)
        return explainer.explain(x, features=features, **options)


class _Ale(_Kind):
    by_feature = ("feature_names", "feature_values", "ale_values", "ale0", "feature_deciles")

    def made(self, predict: Callable[[Any], Any]) -> Any:
        given = self.opening.given(
            "feature_names",
            "target_names",
            "check_feature_resolution",
            "low_resolution_threshold",
            "extrapolate_constant",
        )
        return ALE(predict, **given)

    def explained(self, explainer: Any, job: Job, x: Any, y: Any, features: list[Any]) -> Any:
        return explainer.explain(x, features=features, **job.given("min_bin_points"))


class _Importance(_Kind):
    def made(self, predict: Callable[[Any], Any]) -> Any:
        given = self.opening.given("feature_names", "loss_fns", "score_fns")
        if "loss_fns" not in given and "score_fns" not in given:
            given["score_fns"] = ["accuracy"]
        return PermutationImportance(predict, verbose=False, **given)

    def explained(self, explainer: Any, job: Job, x: Any, y: Any, features: list[Any]) -> Any:
        if y is None or len(y) != len(x):
            raise InvalidInput(
                f"parameter 'y': expected the true value of each of the {len(x)} instances"
            )
        options = job.given("method", "kind", "n_repeats")
        return explainer.explain(x, y, features=features, **options)

    def joined(self, parts: list[Explanation]) -> Explanation:
        whole = super().joined(parts)
        by_metric = [part["data"]["feature_importance"] for part in parts]
        whole["data"]["feature_importance"] = [
            [one for values in metric for one in values] for metric in zip(*by_metric, strict=True)
        ]
        params = {**whole["meta"]["params"], "feature_names": whole["data"]["feature_names"]}
        whole["meta"] = {**whole["meta"], "params": params}
        return whole
