"""An opened source to a file of another format."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from umbel.graph.errors import MissingExtra
from umbel.graph.implementations import ModelFile
from umbel.nodes.conversion.samples import Sample
from umbel.nodes.conversion.source_formats import Opened
from umbel.nodes.model_formats import FORMATS

TARGETS: Mapping[str, tuple[str, str]] = {
    "onnx": ("onnx", ".onnx"),
    "torch-export": ("pytorch", ".pt2"),
}
"""What a model is converted to → umbel's model format, and the file's suffix."""

SINGLE, DOUBLE = "float32", "float64"


def precisions(source: Opened) -> tuple[str, ...]:
    """In which to try: scikit-learn computes in double precision, and some models need it."""
    return (SINGLE, DOUBLE) if source.code.format == "sklearn" else (SINGLE,)


def write(source: Opened, to: str, precision: str, sample: Sample, draft: Path) -> None:
    """Write ``draft``. Raises DeclarationError, MissingExtra."""
    try:
        if source.code.format == "pytorch":
            _write_torch(source, to, sample, draft)
        else:
            _write_table(source, precision, sample, draft)
    except ModuleNotFoundError as error:
        raise MissingExtra(f"a conversion to {to}", error.name or "skl2onnx", "convert") from error


def open_target(to: str, path: Path) -> Any:
    """What was written, opened by the runtime that will serve it."""
    known = FORMATS[TARGETS[to][0]]
    try:
        module = importlib.import_module(known.module)
    except ModuleNotFoundError as error:
        raise MissingExtra(str(path), error.name or to, known.extra) from error
    options = {"device": "cpu"}
    return module.open_model(ModelFile(TARGETS[to][0], str(path), options=options))


def _write_torch(source: Opened, to: str, sample: Sample, draft: Path) -> None:
    from umbel.nodes.conversion import torch_programs

    inputs = torch_programs.as_tensors(source.model, sample.values, source.ports)
    if to == "onnx":
        names = [port.name for port in source.ports]
        answer = source.runtime.predict(**sample.values)
        outputs = list(answer) if isinstance(answer, Mapping) else None
        torch_programs.write_onnx(source.path, source.model, inputs, names, outputs, draft)
    else:
        torch_programs.write_program(source.path, source.model, inputs, draft)


def _write_table(source: Opened, precision: str, sample: Sample, draft: Path) -> None:
    import onnx

    from umbel.nodes.conversion import onnx_graph

    logging.getLogger("skl2onnx").setLevel(logging.ERROR)
    model = _as_onnx(source, precision, sample, draft.parent)
    onnx.save_model(model, str(draft))
    few = sample.head(3)
    expected = np.asarray(source.runtime.predict(**few))
    got = np.asarray(open_target("onnx", draft).predict(**few))
    if expected.ndim == 1 and got.ndim == 2:
        (output,) = onnx_graph.output_names(model)
        if got.shape[1] == 1:
            onnx_graph.flatten_rows(model, output)
        elif got.shape[1] == 2:  # the probability of the second class only
            onnx_graph.take_column(model, output, 1)
        onnx.save_model(model, str(draft))


def _as_onnx(source: Opened, precision: str, sample: Sample, room: Path) -> Any:
    count, names = len(source.ranges), source.names
    if source.code.format == "sklearn":
        from umbel.nodes.conversion import sklearn_to_onnx

        texts = _texts(sample.values["x"], count)
        return sklearn_to_onnx.converted(
            source.model, source.method,
            ranges=source.ranges, names=names, texts=texts, dtype=precision,
        )  # fmt: skip
    from umbel.nodes.conversion import boosters_to_onnx

    if source.code.format == "xgboost":
        return boosters_to_onnx.from_xgboost(source.model, source.method, count, names)
    if source.code.format == "lightgbm":
        return boosters_to_onnx.from_lightgbm(source.model, source.method, count, names)
    return boosters_to_onnx.from_catboost(source.model, source.method, room, names)


def _texts(x: Any, count: int) -> list[bool]:
    """Which columns of the sample hold strings."""
    if hasattr(x, "columns"):
        return [any(isinstance(v, str) for v in x[name]) for name in x.columns]
    if isinstance(x, list):  # rows as objects
        return [any(isinstance(row[name], str) for row in x) for name in x[0]]
    array = np.asarray(x)
    return [array.dtype.kind in "OUS"] * count
