"""What can be converted to what, and what an opened source tells of itself."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umbel.graph.errors import DeclarationError, MissingExtra
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import Port, Signature
from umbel.nodes.conversion import column_ranges
from umbel.nodes.conversion.column_ranges import ColumnRange
from umbel.nodes.model_formats import FORMATS
from umbel.nodes.model_location import model_file

BY_SUFFIX = {
    ".skops": "sklearn", ".joblib": "sklearn", ".pkl": "sklearn", ".pickle": "sklearn",
    ".ubj": "xgboost", ".json": "xgboost", ".txt": "lightgbm", ".lgb": "lightgbm",
    ".model": "lightgbm", ".cbm": "catboost", ".pt2": "pytorch", ".ts": "pytorch",
    ".pt": "pytorch", ".pth": "pytorch", ".safetensors": "pytorch",
}  # fmt: skip
FROM: Mapping[str, tuple[str, ...]] = {
    "onnx": ("sklearn", "xgboost", "lightgbm", "catboost", "pytorch"),
    "torch-export": ("pytorch",),
}


@dataclass(frozen=True)
class Opened:
    """A source that was opened: ``model`` is its library's own object, ``path`` its file.

    ``classifies``: it answers with a probability for each class. ``sees_missing``: it has a way
    of its own with nan."""

    code: ModelFile
    runtime: Any
    model: Any
    path: Path
    method: str
    ports: tuple[Port, ...]
    ranges: tuple[ColumnRange, ...] = ()
    names: tuple[str, ...] | None = None
    classifies: bool = False
    sees_missing: bool = False


def model_code(uri: str, path: Path, format: str, settings: Mapping[str, object]) -> ModelFile:
    """The source as a declared model. Raises DeclarationError where its format is unclear."""
    if not format:
        suffixes = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
        found = {BY_SUFFIX[f.suffix.lower()] for f in suffixes if f.suffix.lower() in BY_SUFFIX}
        if len(found) != 1:
            raise DeclarationError(
                f"{uri} {'does not tell' if not found else 'could be of several formats'}: say "
                f"which it is, --format {'|'.join(FROM['onnx'])}"
            )
        return ModelFile(found.pop(), str(path), options=dict(settings))
    return ModelFile(format, str(path), options=dict(settings))


def require_conversion(format: str, to: str) -> None:
    """Raise DeclarationError unless the one becomes the other."""
    if format not in FROM[to]:
        known = "; ".join(f"{' '.join(sources)} → {target}" for target, sources in FROM.items())
        raise DeclarationError(f"a {format!r} model is not converted to {to}; there are {known}")


def opened(code: ModelFile) -> Opened:
    """Open the source with its runtime. Raises DeclarationError, MissingExtra."""
    known = FORMATS[code.format]
    try:
        module = importlib.import_module(known.module)
    except ModuleNotFoundError as error:
        raise MissingExtra(code.uri, error.name or code.format, known.extra) from error
    if code.format == "pytorch" and "device" not in code.options:
        code = ModelFile(code.format, code.uri, options={**code.options, "device": "cpu"})
    runtime = module.open_model(code)
    model = runtime.underlying
    signature: Signature | None = runtime.signature
    ports = (Port("x"),) if signature is None else signature.inputs
    method = str(code.options.get("method", "predict"))
    path = model_file(code, module.SUFFIXES)
    if code.format == "pytorch":
        return Opened(code, runtime, model, path, method, ports)
    look = _LOOKS[code.format](model)
    ranges = tuple(look.ranges(model, look.count, look.names)) if look.count else ()
    classifies = look.classifier and method == look.probabilities
    return Opened(
        code, runtime, model, path, method, ports, ranges, look.names, classifies, look.missing
    )


@dataclass(frozen=True)
class _Look:
    """What a library's object tells of itself. ``probabilities``: the method that answers with
    them; ``missing``: nan is treated in a way that a conversion must keep."""

    count: int
    names: tuple[str, ...] | None
    classifier: bool
    probabilities: str
    ranges: Callable[[Any, int, tuple[str, ...] | None], list[ColumnRange]]
    missing: bool = False


def _sklearn(model: Any) -> _Look:
    names = getattr(model, "feature_names_in_", None)
    return _Look(
        getattr(model, "n_features_in_", 0),
        None if names is None else tuple(str(name) for name in names),
        hasattr(model, "classes_"),
        "predict_proba",
        column_ranges.of_estimator,
    )


def _xgboost(model: Any) -> _Look:
    learner = json.loads(model.save_config())["learner"]["learner_train_param"]
    names = tuple(model.feature_names) if model.feature_names else None
    classifier = str(learner["objective"]).startswith(("binary:", "multi:"))
    ranges = column_ranges.of_xgboost
    return _Look(model.num_features(), names, classifier, "predict", ranges, missing=True)


def _lightgbm(model: Any) -> _Look:
    told = model.dump_model()
    names = tuple(model.feature_name())
    numbered = names == tuple(f"Column_{number}" for number in range(len(names)))
    return _Look(
        len(names),
        None if numbered else names,
        str(told.get("objective", "")).startswith(("binary", "multiclass")),
        "predict",
        column_ranges.of_lightgbm,
        missing='"missing_type": "NaN"' in json.dumps(told["tree_info"]),
    )


def _catboost(model: Any) -> _Look:
    names = tuple(model.feature_names_)
    numbered = names == tuple(str(number) for number in range(len(names)))
    return _Look(
        len(names),
        None if numbered else names,
        len(model.classes_) > 0,
        "predict_proba",
        column_ranges.of_catboost,
    )


_LOOKS: Mapping[str, Callable[[Any], _Look]] = {
    "sklearn": _sklearn, "xgboost": _xgboost, "lightgbm": _lightgbm, "catboost": _catboost
}  # fmt: skip
