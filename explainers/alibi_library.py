"""The one door to alibi: what of it umbel uses, imported quietly.

alibi 0.9.4 is the last release under the Apache licence. Without TensorFlow its methods that
need it (CounterfactualProto, CEM, the language models of AnchorText) do not exist.
"""

from __future__ import annotations

import importlib
import json
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import PickleError
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # old escapes, and what its dependencies say of each other
    from alibi.explainers import (
        ALE,
        AnchorImage,
        AnchorTabular,
        AnchorText,
        KernelShap,
        PartialDependence,
        PermutationImportance,
        TreeShap,
    )
    from alibi.explainers.anchors.anchor_base import AnchorBaseBeam
    from alibi.explainers.shap_wrappers import rank_by_importance
    from alibi.saving import load_explainer

    spacy: Any = importlib.import_module("spacy")
    _dill: Any = importlib.import_module("dill")

__all__ = [
    "ALE",
    "AnchorBaseBeam",
    "AnchorImage",
    "AnchorTabular",
    "AnchorText",
    "KernelShap",
    "PartialDependence",
    "PermutationImportance",
    "TreeShap",
    "by_number",
    "plain",
    "rank_by_importance",
    "saved_by_alibi",
    "spacy",
]

logging.getLogger("alibi").setLevel(logging.ERROR)
for _name in ("shap", "shap.explainers"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def plain(explanation: Any) -> dict[str, Any]:
    """``{"meta": ..., "data": ...}`` of an alibi explanation, as its ``to_json`` writes it."""
    told: dict[str, Any] = json.loads(explanation.to_json())
    return told


def saved_by_alibi(folder: Path, name: str, predict: Callable[[Any], Any]) -> Any:
    """The explainer of class ``name`` in a folder that ``Explainer.save`` wrote, or that holds its
    ``explainer.dill`` alone, as KServe's samples do. Reads pickles: call it for a folder that is
    allowed. Raises ``ValueError`` for another class, and for what this alibi cannot read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if (folder / "meta.dill").is_file():
            loaded = _read(folder, lambda: load_explainer(folder, predict))
        else:
            loaded = _read(folder, lambda: _dill.loads((folder / "explainer.dill").read_bytes()))
            loaded.reset_predictor(predict)
    if type(loaded).__name__ != name:
        raise ValueError(f"{folder} holds a {type(loaded).__name__}, not a {name}")
    return loaded


def _read(folder: Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (AttributeError, ImportError, TypeError, EOFError, KeyError, PickleError) as error:
        raise ValueError(
            f"alibi 0.9.4 cannot read {folder} ({type(error).__name__}: {error}): another version "
            "saved it. Fit it again, or let umbel keep the rows: explainer(..., train=X).save()"
        ) from error


def by_number(names: Mapping[Any, Any] | None) -> dict[int, list[str]] | None:
    """Category names by the number of their feature; JSON's keys are texts."""
    return None if names is None else {int(key): list(value) for key, value in names.items()}
