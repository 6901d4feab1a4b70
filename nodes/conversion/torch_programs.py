"""PyTorch modules, TorchScript and exported programs to ``torch.export`` and to ONNX."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from umbel.graph.errors import DeclarationError, MissingExtra
from umbel.graph.value_types import Port, ValueType
from umbel.nodes.model_inputs import taken


def write_program(source: Path, module: Any, inputs: Sequence[torch.Tensor], to: Path) -> None:
    """Write a ``.pt2`` file. Raises DeclarationError."""
    with _quiet():
        torch.export.save(_program(source, module, inputs), to)


def write_onnx(
    source: Path,
    module: Any,
    inputs: Sequence[torch.Tensor],
    names: Sequence[str],
    outputs: Sequence[str] | None,
    to: Path,
) -> None:
    """Write an ``.onnx`` file. ``outputs``: their names, where there are several. Raises
    DeclarationError."""
    with _quiet():
        try:
            if isinstance(module, torch.jit.ScriptModule):
                _write_script(source, inputs, names, outputs or ["output"], to)
                return
            program = torch.onnx.export(
                _program(source, module, inputs),
                tuple(inputs),
                dynamo=True,
                verbose=False,
                output_names=outputs,
            )
        except DeclarationError:
            raise
        except ModuleNotFoundError as error:
            raise MissingExtra(str(source), error.name or "onnxscript", "convert") from None
        except Exception as error:  # the exporter raises whatever it stumbles over
            raise _refused("torch.onnx", error) from error
        if program is None:
            raise DeclarationError("torch.onnx gave no program")
        program.save(str(to), external_data=False)


def _write_script(
    source: Path,
    inputs: Sequence[torch.Tensor],
    names: Sequence[str],
    outputs: Sequence[str],
    to: Path,
) -> None:
    """The newer exporter does not take TorchScript. The older one changes what it is given, so
    that it gets a copy."""
    torch.onnx.export(
        torch.jit.load(str(source), map_location="cpu").eval(),  # type: ignore[no-untyped-call]
        tuple(inputs),
        str(to),
        dynamo=False,
        input_names=list(names),
        output_names=list(outputs),
        dynamic_axes={name: {0: "batch"} for name in (*names, *outputs)},
    )


def as_tensors(module: Any, values: Mapping[str, Any], ports: Sequence[Port]) -> list[Any]:
    """The inputs as the module takes them: floats of its weights' dtype. Raises UnfitInput."""
    weights = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    made = []
    for port in ports:
        kind = ValueType("torch", port.type.dtype, port.type.shape)
        tensor = taken(values[port.name], kind, port.name)
        free = port.type.dtype is None and tensor.is_floating_point()
        made.append(tensor.to(weights) if free else tensor)
    return made


def _program(source: Path, module: Any, inputs: Sequence[torch.Tensor]) -> Any:
    if source.suffix == ".pt2":
        return torch.export.load(str(source))  # its contents were checked when it was opened
    free = tuple({0: torch.export.Dim.AUTO} if tensor.ndim else None for tensor in inputs)
    try:
        if isinstance(module, torch.jit.ScriptModule):
            module = _unscripted(module, inputs)
        return torch.export.export(module, tuple(inputs), dynamic_shapes=free)
    except Exception as error:  # as above
        raise _refused("torch.export", error) from error


def _unscripted(module: Any, inputs: Sequence[torch.Tensor]) -> Any:
    """TorchScript as a module that can be exported. torch names this converter in the error it
    gives for TorchScript."""
    from torch._export.converter import TS2EPConverter

    return TS2EPConverter(module, tuple(inputs)).convert().module()


def _refused(who: str, error: Exception) -> DeclarationError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return DeclarationError(f"{who} cannot convert it: {type(error).__name__}: {text}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporters print and warn of their own doings."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
