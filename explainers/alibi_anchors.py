"""alibi's anchors: rules that hold a prediction in place, for table rows, texts and images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from umbel.explainers.alibi_library import (
    AnchorBaseBeam,
    AnchorImage,
    AnchorTabular,
    AnchorText,
    by_number,
    plain,
    saved_by_alibi,
    spacy,
)
from umbel.explainers.batch_predictor import BatchPredictor
from umbel.explainers.budget import BudgetSpent
from umbel.explainers.explanations import Explanation, Job, OpenedMethod, Opening
from umbel.explainers.methods import ANCHOR_IMAGE, ANCHOR_TABULAR
from umbel.explainers.random_numbers import RandomStream
from umbel.graph.errors import DeclarationError

_SEARCH = (
    "threshold", "delta", "tau", "batch_size", "coverage_samples", "beam_size", "stop_on_first",
    "max_anchor_size", "min_samples_start", "n_covered_ex", "binary_cache_size", "cache_margin",
    "p_sample",
)  # fmt: skip

_DELTA = 0.1
"""alibi's default for the chance of being wrong about an anchor's precision."""


def open_method(opening: Opening, random: RandomStream) -> OpenedMethod:
    """The anchor method that ``opening`` names."""
    if opening.method is ANCHOR_TABULAR:
        return Anchors(opening, random, _tabular, "AnchorTabular")
    if opening.method is ANCHOR_IMAGE:
        return Anchors(opening, random, _image, "AnchorImage")
    nlp = _language(opening)
    return Anchors(
        opening, random, lambda given, predict, _: _text(given, predict, nlp), "AnchorText"
    )


class Anchors:
    """One explanation for each instance. alibi's explainer is built with the first job: it tries
    the predictor while it is built."""

    whole = False

    def __init__(
        self,
        opening: Opening,
        random: RandomStream,
        build: Callable[[Opening, Callable[[Any], Any], Any], Any],
        name: str,
    ) -> None:
        self._opening, self._random, self._build, self._name = opening, random, build, name
        self._explainer: Any = None
        self._predict: BatchPredictor | None = None

    def explain(self, job: Job) -> list[Explanation]:
        """One anchor an instance; of the last one the best so far where the budget was spent."""
        self._predict = job.predict
        if self._explainer is None:
            with self._random.building():
                self._explainer = self._built(job)
        options = job.given(*_SEARCH)
        found: list[Explanation] = []
        with self._random.explaining():
            for instance in job.x:
                try:
                    found.append(plain(self._explainer.explain(instance, **options)))
                except BudgetSpent as spent:
                    best = _best_so_far(self._explainer, spent, instance, options)
                    if best is not None:
                        found.append(best)
                    if not found:
                        raise
                    break
        return found

    def _built(self, job: Job) -> Any:
        if self._opening.pickled is None:
            return self._build(self._opening, self._ask, job.x[0])
        try:
            return saved_by_alibi(self._opening.pickled, self._name, self._ask)
        except ValueError as error:
            raise DeclarationError(str(error)) from error

    def _ask(self, batch: Any) -> Any:
        assert self._predict is not None  # noqa: S101  explain has set it
        return self._predict(batch)


def _tabular(opening: Opening, predict: Callable[[Any], Any], instance: Any) -> Any:
    rows = opening.arrays["x"]
    names = opening.options.get("feature_names") or [f"f{i}" for i in range(rows.shape[1])]
    explainer = AnchorTabular(
        predict,
        list(names),
        categorical_names=by_number(opening.options.get("categorical_names")),
        dtype=rows.dtype,
        ohe=opening.options.get("ohe", False),
        seed=opening.seed,
    )
    percentiles = opening.options.get("disc_perc")
    return explainer.fit(rows, **({"disc_perc": tuple(percentiles)} if percentiles else {}))


def _image(opening: Opening, predict: Callable[[Any], Any], instance: Any) -> Any:
    shape = tuple(int(n) for n in opening.options.get("image_shape") or instance.shape)
    return AnchorImage(
        predict,
        shape,
        dtype=instance.dtype,
        images_background=opening.arrays.get("x"),
        seed=opening.seed,
        **opening.given("segmentation_fn", "segmentation_kwargs"),
    )


def _text(opening: Opening, predict: Callable[[Any], Any], nlp: Any) -> Any:
    return AnchorText(
        predict,
        nlp=nlp,
        seed=opening.seed,
        **opening.given("sampling_strategy", "sample_proba", "top_n", "temperature", "use_proba"),
    )


def _language(opening: Opening) -> Any:
    """What cuts a text into words: a model from disk, or the rules of a language alone."""
    options = opening.options
    folder = options.get("spacy_model")
    if folder:
        try:
            return spacy.load(opening.folder / folder)
        except (OSError, ValueError) as error:
            raise DeclarationError(f"there is no spaCy model in {folder!r}: {error}") from error
    if options.get("sampling_strategy") == "similarity":
        raise DeclarationError(
            "the strategy 'similarity' needs word vectors: give the folder of a spaCy model, "
            'settings={"spacy_model": "en_core_web_md/"}'
        )
    try:
        return spacy.blank(options.get("language", "en"))
    except ImportError as error:
        raise DeclarationError(f"language: {error}") from error


def _best_so_far(
    explainer: Any, spent: BudgetSpent, instance: Any, options: dict[str, Any]
) -> Explanation | None:
    """The anchor whose precision is surest among those tried when the search was cut off."""
    beam = _search_under_way(spent)
    result = None if beam is None else _surest(beam, options.get("delta", _DELTA))
    if beam is None or result is None:
        return None
    if isinstance(explainer, AnchorImage):
        sampler = beam.sample_fcn
        label = sampler.instance_label
        return plain(explainer._build_explanation(instance, result, label, options, sampler))
    if isinstance(explainer, AnchorText):
        words = explainer.perturbation
        result["names"] = [words.words[at] for at in result["feature"]]
        result["positions"] = [words.positions[at] for at in result["feature"]]
    return plain(
        explainer._build_explanation(instance, result, explainer.instance_label, dict(options))
    )


def _search_under_way(error: BaseException) -> Any:
    """alibi keeps a search in a local variable until it has ended."""
    trace, found = error.__traceback__, None
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        found = owner if isinstance(owner, AnchorBaseBeam) else found
        trace = trace.tb_next
    return found


def _surest(beam: Any, delta: float) -> dict[str, Any] | None:
    state = getattr(beam, "state", {})
    drawn, right = state.get("t_nsamples", {}), state.get("t_positives", {})
    tried = [anchor for anchor in list(state.get("t_order", ())) if anchor and drawn.get(anchor)]
    if not tried:
        return None
    counts = np.array([drawn[anchor] for anchor in tried])
    means = np.array([right[anchor] for anchor in tried]) / counts
    anchor = tried[int(np.argmax(beam.dlow_bernoulli(means, np.log(1 / delta) / counts)))]
    order = list(state["t_order"][anchor])
    prefixes = [tuple(sorted(order[: end + 1])) for end in range(len(order))]
    precision = [right[p] / drawn[p] if drawn.get(p) else None for p in prefixes]
    nothing = np.array([])
    return {
        "feature": order,
        "mean": precision,
        "precision": precision,
        "coverage": [state["t_coverage"].get(p) for p in prefixes],
        "examples": [
            {
                "covered_true": state["t_covered_true"].get(p, nothing),
                "covered_false": state["t_covered_false"].get(p, nothing),
                "uncovered_true": nothing,
                "uncovered_false": nothing,
            }
            for p in prefixes
        ],
        "all_precision": 0,
        "num_preds": state["data"].shape[0],
        "success": False,
    }
