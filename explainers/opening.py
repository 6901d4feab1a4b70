"""From a declared explainer to one that answers: state, model and library opened."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from umbel.explainers.explainer_options import authors_options
from umbel.explainers.explanations import Opening
from umbel.explainers.fitted_state import FittedState, load_state, save_state
from umbel.explainers.methods import METHODS, Method
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
    try:
        module: Any = importlib.import_module(f"umbel.explainers.{method.module}")
    except ModuleNotFoundError as error:
        library = error.name or method.library
        if library.startswith("umbel"):
            raise
        raise MissingExtra(f"node {name!r}", library, method.extra) from error
    runtime = _runtime(code.model, name) if code.model and "model" in method.needs else None
    opening = Opening(
        method, options, state.arrays, runtime, Path(code.folder), _allowed(code, state)
    )
    random = RandomStream(opening.seed)
    return OpenedExplainer(module.open_method(opening, random), opening, random)


def method_called(name: str) -> Method:
    """The method. Raises ``DeclarationError`` with all there are."""
    method = METHODS.get(name)
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


def save_explainer(code: LibraryExplainer, folder: Path) -> None:
    """Write what the explainer is fitted to, so that ``uri`` can name the folder. Raises
    ``DeclarationError`` for one whose state lies elsewhere already, or cannot be written."""
    method = method_called(code.method)
    if code.uri:
        raise DeclarationError(f"the explainer is read from {code.uri}: copy that")
    settings = authors_options(method, code.settings)
    save_state(folder, method.name, settings, code.train.arrays if code.train else {})
