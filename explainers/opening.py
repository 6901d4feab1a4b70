"""From a declared explainer to one that answers: state, model and library opened."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from umbel.explainers.batch_predictor import Array, predictions_of
from umbel.explainers.explainer_options import authors_options
from umbel.explainers.explanations import Opening
from umbel.explainers.fitted_state import FittedState, load_state, save_state
from umbel.explainers.method import Method
from umbel.explainers.methods import METHODS, NOT_OFFERED
from umbel.explainers.opened_explainer import OpenedExplainer
from umbel.explainers.random_numbers import RandomStream
from umbel.graph.errors import DeclarationError, MissingExtra
from umbel.graph.implementations import LibraryExplainer, ModelFile
from umbel.nodes.code_in_files import permission
from umbel.nodes.model_formats import FORMATS
from umbel.nodes.model_settings import PERMISSIONS, ModelSettings
from umbel.nodes.storage.fetching import fetch


def open_explainer(code: LibraryExplainer, name: str) -> OpenedExplainer:
    """The explainer, with everything it needs loaded. May take long. Raises ``MissingExtra``
    without its library, ``DeclarationError`` for all else."""
    method = method_called(code.method)
    state = _state(code, method)
    options = authors_options(method, {**state.settings, **code.settings})
    _require(method, state, code)
    module = _module(method, f"node {name!r}")
    runtime = _runtime(code.model, name) if code.model and "model" in method.needs else None
    opening = Opening(
        method,
        options,
        state.arrays,
        runtime,
        Path(code.folder),
        _allowed(code, state),
        state.weights,
    )
    random = RandomStream(opening.seed)
    return OpenedExplainer(module.open_method(opening, random), opening, random)


def _module(method: Method, who: str) -> Any:
    try:
        return importlib.import_module(f"umbel.explainers.{method.module}")
    except ModuleNotFoundError as error:
        library = error.name or method.library
        if library.startswith("umbel"):
            raise
        raise MissingExtra(who, library, method.extra) from error


def method_called(name: str) -> Method:
    """The method. Raises ``DeclarationError`` with all there are."""
    method = METHODS.get(name)
    if name in NOT_OFFERED:
        reason, instead = NOT_OFFERED[name]
        raise DeclarationError(f"{name!r} is not offered: {reason}; use {instead!r}")
    if method is None:
        raise DeclarationError(f"there is no explainer {name!r}; there are {', '.join(METHODS)}")
    return method


def _runtime(model: ModelFile, name: str) -> Any:
    """The model as its format's library opens it. The node that predicts with it loads its own."""
    known = FORMATS.get(model.format)
    if known is None:
        raise DeclarationError(f"model format {model.format!r} has no runtime")
    try:
        module = importlib.import_module(known.module)
    except ModuleNotFoundError as error:
        raise MissingExtra(f"node {name!r}", error.name or model.format, known.extra) from error
    return module.open_model(replace(model, uri=str(fetch(model.uri))))


def _state(code: LibraryExplainer, method: Method) -> FittedState:
    if not code.uri:
        return FittedState(arrays=code.train.arrays if code.train else {})
    state = load_state(Path(fetch(code.uri)))
    if state.method and state.method != method.name:
        raise DeclarationError(f"{code.uri} is fitted for {state.method!r}, not {method.name!r}")
    return state


def _require(method: Method, state: FittedState, code: LibraryExplainer) -> None:
    if state.pickled is not None and method.library != "alibi":
        raise DeclarationError(f"{code.uri} was saved by alibi; {method.name!r} cannot open it")
    if "train" in method.needs and "x" not in state.arrays and state.pickled is None:
        raise DeclarationError(
            f"{method.name!r} is fitted to training rows: give train=X, train='rows.npz', or "
            "uri= of a folder with its fitted state"
        )
    if "model" in method.needs and code.model is None:
        raise DeclarationError(
            f"{method.name!r} looks inside a saved model: give of= or model= as "
            'predictor("sklearn", uri="...")'
        )


def _allowed(code: LibraryExplainer, state: FittedState) -> Path | None:
    """The folder that alibi saved, if its pickles may be loaded."""
    if state.pickled is None:
        return None
    asked = {name: code.settings[name] for name in PERMISSIONS if name in code.settings}
    settings = ModelSettings(ModelFile(code.method, code.uri, "", asked), PERMISSIONS)
    permission(settings).require_folder(state.pickled, "an explainer that alibi saved (pickles)")
    return state.pickled


def save_explainer(
    code: LibraryExplainer, folder: Path, explained: Callable[[Any], Any] | None
) -> None:
    """Write what the explainer is fitted to, so that ``uri`` can name the folder. A method with
    networks trains them first, on the answers of ``explained``. Raises ``DeclarationError`` for
    an explainer whose state lies elsewhere already, or cannot be written."""
    method = method_called(code.method)
    trains = "weights" in method.needs
    if code.uri and not (trains and "train" in method.needs):
        raise DeclarationError(f"the explainer is read from {code.uri}: copy that")
    settings = authors_options(method, code.settings)
    state = _state(code, method)
    weights = _trained(method, settings, state, explained) if trains else {}
    save_state(folder, method.name, settings, state.arrays, weights)


def _trained(
    method: Method,
    settings: Mapping[str, Any],
    state: FittedState,
    explained: Callable[[Any], Any] | None,
) -> Mapping[str, Array]:
    if "x" not in state.arrays or state.weights:
        raise DeclarationError(f"{method.name!r} is trained on rows: give train=X or 'rows.npz'")
    if explained is None:
        raise DeclarationError(f"{method.name!r} is trained on a model's answers: give of=model")
    ask, output = explained, str(settings.get("output", ""))

    def predict(rows: Any) -> Array:
        return predictions_of(ask(rows), len(rows), output)

    opening = Opening(method, settings, state.arrays)
    found: Mapping[str, Array] = _module(method, method.name).fit(opening, predict)
    return found
