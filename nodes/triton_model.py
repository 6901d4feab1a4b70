"""Models in Triton's repository layout: ``config.pbtxt`` and numbered versions.

umbel runs the model itself, with its own runtime of the file's format; the configuration gives
the names, types and shapes that Triton's clients use. The newest version is served, or the
newest of those that the configuration's policy names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import Dim, Port, Signature, ValueType
from umbel.nodes.descriptions import listing
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.model_inputs import in_order, taken
from umbel.nodes.model_location import local_path
from umbel.nodes.shapes import Bound
from umbel.nodes.triton_config import TritonConfig, TritonTensor, read_config

CONFIG = "config.pbtxt"

ENGINES: Mapping[str, str] = {
    "onnxruntime": "onnx",
    "onnxruntime_onnx": "onnx",
    "pytorch": "pytorch",
    "pytorch_libtorch": "pytorch",
    "tensorflow": "tensorflow",
    "tensorflow_savedmodel": "tensorflow",
}
"""Triton's backend or platform → the format that umbel runs."""

FILES: Mapping[str, str] = {
    "model.onnx": "onnx",
    "model.pt": "pytorch",
    "model.pt2": "pytorch",
    "model.savedmodel": "tensorflow",
    "xgboost.json": "xgboost",
    "xgboost.ubj": "xgboost",
    "model.txt": "lightgbm",
}
"""The file that Triton looks for in a version → its format."""


class TritonModel:
    """One version of one model, with the names of its configuration. ``inner`` is the runtime
    of its format; what it calls its inputs and outputs is matched by name, else by position."""

    def __init__(self, config: TritonConfig, inner: Any) -> None:
        self._inner = inner
        own: Signature | None = inner.signature
        self._own_inputs = [port.name for port in own.inputs] if own else ["x"]
        self._inputs = tuple(_port(one) for one in config.inputs)
        self._outputs = tuple(one.name for one in config.outputs)
        answers = tuple(_port(one) for one in config.outputs)
        self._feeds = _matched([one.name for one in config.inputs], self._own_inputs)
        self.signature: Signature | None = Signature(self._inputs, answers, keyed=True)

    @property
    def underlying(self) -> Any:
        """The library's own model, for explainers that look inside."""
        return getattr(self._inner, "underlying", None)

    def predict(self, **values: Any) -> dict[str, Any]:
        """The outputs by the configuration's names. Raises UnfitInput."""
        bound: Bound = {}
        given = {
            inner: taken(value, port.type, port.name, bound)
            for inner, value, port in zip(
                self._feeds, in_order(values, self._inputs), self._inputs, strict=True
            )
        }
        try:
            answer = self._inner.predict(**given)
        except UnfitInput as error:
            names = dict(zip(self._feeds, (port.name for port in self._inputs), strict=True))
            raise UnfitInput(str(error), names.get(error.port, error.port)) from None
        return self._named(answer)

    def _named(self, answer: Any) -> dict[str, Any]:
        if isinstance(answer, Mapping) and answer.keys() >= set(self._outputs):
            return {name: answer[name] for name in self._outputs}
        parts = list(answer.values()) if isinstance(answer, Mapping) else answer
        if not isinstance(parts, (list, tuple)):
            parts = [parts]
        if len(parts) < len(self._outputs):
            raise DeclarationError(
                f"{CONFIG} names {len(self._outputs)} outputs, the model gives {len(parts)}"
            )
        return dict(zip(self._outputs, parts, strict=False))


def open_model(code: ModelFile) -> Any:
    """The model at ``code.uri``: a repository with one model, or a model's own folder. Without
    a configuration it is the runtime of its format as it stands. Raises DeclarationError."""
    folder = _model_folder(local_path(code))
    config = TritonConfig()
    if (folder / CONFIG).is_file():
        config = read_config((folder / CONFIG).read_text(errors="replace"), str(folder / CONFIG))
    path, kind = _file(folder, config)
    from umbel.nodes.loading import format_module  # which opens this file's models, too

    inner_code = replace(code, format=kind, uri=str(path))
    inner = format_module(inner_code, folder.name).open_model(inner_code)
    if not config.inputs or not config.outputs:
        return inner
    return TritonModel(config, inner)


def _model_folder(path: Path) -> Path:
    if not path.is_dir():
        raise DeclarationError(f"{path}: a Triton model is a folder with {CONFIG} and versions")
    if (path / CONFIG).is_file() or _versions(path):
        return path
    models = sorted(one for one in path.iterdir() if one.is_dir() and _is_model(one))
    if len(models) == 1:
        return models[0]
    if models:
        raise DeclarationError(
            f"the repository {path} holds {len(models)} models: "
            f"{listing([one.name for one in models])}; add the name of one to the storageUri, or "
            "declare a TrainedModel for each"
        )
    there = listing(sorted(one.name for one in path.iterdir()))
    raise DeclarationError(
        f"{path} is no Triton model repository: expected NAME/{CONFIG} and NAME/1/, found {there}"
    )


def _is_model(folder: Path) -> bool:
    return (folder / CONFIG).is_file() or bool(_versions(folder))


def _versions(folder: Path) -> list[int]:
    return sorted(
        int(one.name)
        for one in folder.iterdir()
        if one.is_dir() and one.name.isdecimal() and int(one.name) > 0
    )


def _file(folder: Path, config: TritonConfig) -> tuple[Path, str]:
    there = [one for one in _versions(folder) if not config.versions or one in config.versions]
    if not there:
        asked = f" of {', '.join(map(str, config.versions))}" if config.versions else ""
        raise DeclarationError(f"{folder} has no version{asked}: expected a folder such as 1/")
    version = folder / str(there[-1])
    kind = ENGINES.get(config.engine, "")
    if config.engine and not kind and config.engine != "fil":
        raise DeclarationError(
            f"{folder / CONFIG}: umbel does not run Triton's {config.engine!r}; it runs "
            f"{', '.join(sorted({*ENGINES, 'fil'}))}: export the model to ONNX"
        )
    if config.file and (version / config.file).exists() and kind:
        return version / config.file, kind
    for name, found in FILES.items():
        if (version / name).exists() and kind in ("", found):
            return version / name, found
    files = listing(sorted(one.name for one in version.iterdir()))
    raise DeclarationError(f"{version} holds none of {listing(list(FILES))}; it holds {files}")


def _port(tensor: TritonTensor) -> Port:
    dims: tuple[Dim, ...] | None = None
    if tensor.dims is not None:
        dims = tuple(
            length if length >= 0 else ("batch" if axis == 0 else f"n{axis}")
            for axis, length in enumerate(tensor.dims)
        )
    return Port(tensor.name, ValueType("ndarray", tensor.dtype, dims))


def _matched(names: list[str], own: list[str]) -> list[str]:
    """The runtime's name of each input."""
    if len(names) != len(own):
        raise DeclarationError(
            f"{CONFIG} names the inputs {listing(names)}, the model has {listing(own)}"
        )
    return names if set(names) == set(own) else own
