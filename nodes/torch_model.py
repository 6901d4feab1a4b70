"""PyTorch models: torch.export programs, TorchScript, and safetensors weights with a class.

A file of ``torch.save`` is a pickle and is not read at all: weights travel as safetensors.
"""

from __future__ import annotations

import importlib
import inspect
import io
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.export.passes

from umbel.graph.errors import DeclarationError, MissingExtra
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import DTYPES, Port, Signature, ValueType
from umbel.nodes import torch_devices
from umbel.nodes.code_in_files import Permission, permission
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.model_inputs import in_order, taken
from umbel.nodes.model_location import model_file
from umbel.nodes.model_settings import PERMISSIONS, ModelSettings
from umbel.nodes.shapes import Bound
from umbel.nodes.torch_devices import Execution
from umbel.nodes.torch_export_contents import beyond_data
from umbel.nodes.torch_export_signature import exported_signature

SUFFIXES = (".pt2", ".ts", ".pt", ".pth", ".safetensors")
SETTINGS = {
    "class": "module:Class that .safetensors weights are put into",
    "kwargs": "what that class is made with",
    "dtype": "the inputs' dtype (default: floats as the model's weights, integers as they come)",
    **torch_devices.SETTINGS,
    **PERMISSIONS,
}

_reading = threading.Lock()
"""torch.export reads one file at a time; nodes are loaded in threads, several at once."""

_SHAPE_ERRORS = (
    "shapes cannot be multiplied",
    "size mismatch",
    "must match the size",
    "invalid for input of",
    "Guard failed",
    "expected input",
    "Expected input",
    "to have",
    "Dimension out of range",
    "index out of range",
    "must have the same dtype",
    "Expected tensor for argument",
    "same number of dimensions",
    "can't be greater than actual",
    "vector + matrix",
    "out of bounds for dimension",
    "to be in range",
    "Sizes of tensors",
)
"""What torch says where an input's shape, dtype or index does not fit the model."""


class TorchModel:
    """One module on one device. ``predict(x)`` takes and gives numpy arrays.

    A torch tensor that comes is used where it lies, and the answer stays one unless ``output``
    says otherwise.
    """

    def __init__(
        self,
        module: Callable[..., Any],
        signature: Signature | None,
        execution: Execution,
        dtype: torch.dtype | None,
        weights: torch.dtype,
    ) -> None:
        self.signature = signature
        self._module, self._execution = module, execution
        self._prepared = execution.prepared(module)
        self._dtype, self._weights = dtype, weights
        self._inputs = signature.inputs if signature is not None else (Port("x"),)

    @property
    def takes_tensors(self) -> bool:
        """Whether tensors are to come as they are: so it is where ``output`` was decided on."""
        return bool(self._execution.output)

    @property
    def underlying(self) -> Any:
        """The module itself, for explainers that look inside the model."""
        return self._module

    def tensor(self, value: Any) -> torch.Tensor:
        """A value of the model's only input as the module takes it. Raises UnfitInput."""
        return self._tensor(value, self._inputs[0], {})

    def predict(self, **values: Any) -> Any:
        """The module's answer. Raises UnfitInput where an input does not fit the model."""
        given = in_order(values, self._inputs)
        bound: Bound = {}
        tensors = [
            self._tensor(value, port, bound)
            for value, port in zip(given, self._inputs, strict=True)
        ]
        as_tensors = any(isinstance(value, torch.Tensor) for value in given)
        try:
            result = self._execution.run(self._prepared, tensors, self._weights)
        except (RuntimeError, AssertionError, IndexError, ValueError) as error:
            said = str(error)
            if any(text in said for text in _SHAPE_ERRORS) or isinstance(error, IndexError):
                shapes = {p.name: list(t.shape) for p, t in zip(self._inputs, tensors, strict=True)}
                raise UnfitInput(
                    f"the model does not take inputs of shape {shapes}: {_reason(said)}",
                    self._inputs[0].name,
                ) from None
            raise
        kept = self._execution.output == "tensor" or (as_tensors and not self.takes_tensors)
        return result if kept else _plain(result)

    def _tensor(self, value: Any, port: Port, bound: Bound) -> torch.Tensor:
        wanted = ValueType("torch", port.type.dtype, port.type.shape)
        tensor: torch.Tensor = taken(value, wanted, port.name, bound)
        if port.type.dtype is None:
            if self._dtype is not None:
                tensor = tensor.to(self._dtype)
            elif tensor.is_floating_point():
                tensor = tensor.to(self._weights)
        return self._execution.moved(tensor)


def open_model(code: ModelFile) -> TorchModel:
    """The model at ``code.uri``: a ``.pt2``, ``.ts``, TorchScript ``.pt`` or ``.safetensors``
    file, or a folder with one. Raises DeclarationError."""
    settings = ModelSettings(code, SETTINGS)
    execution = Execution.of(settings)
    device = execution.device
    dtype = _dtype(settings)
    path = model_file(code, SUFFIXES)
    allowed = permission(settings)
    if path.suffix == ".safetensors":
        allowed.vouched(path)
        module = _with_weights(path, settings, device)
        signature = _named(list(inspect.signature(module.forward).parameters))
        return TorchModel(module, signature, execution, dtype, _weights_dtype(module.parameters()))
    if path.suffix == ".pt2":
        program = _exported(path, allowed)
        if device.type != "cpu":
            program = torch.export.passes.move_to_device_pass(program, device)
        module = program.module()
        weights = _weights_dtype(program.state_dict.values())
        return TorchModel(module, exported_signature(program), execution, dtype, weights)
    allowed.vouched(path)
    script = _script(path, device)
    signature = _named([argument.name for argument in script.forward.schema.arguments[1:]])
    return TorchModel(script, signature, execution, dtype, _weights_dtype(script.parameters()))


def _dtype(settings: ModelSettings) -> torch.dtype | None:
    name = settings.text("dtype", "")
    found = getattr(torch, name, None) if name in DTYPES or name == "bfloat16" else None
    if name and not isinstance(found, torch.dtype):
        raise DeclarationError(f"setting 'dtype' is a dtype such as 'float32', not {name!r}")
    return found


def _exported(path: Path, allowed: Permission) -> Any:
    """The program of a ``.pt2`` file. One that holds more than data needs permission."""
    try:
        reader = torch._C.PyTorchFileReader(str(path))
        more = beyond_data(path, reader, _tensors_only)
        if more:
            allowed.open(path, f"a .pt2 file that holds more than data ({more})").close()
        else:
            allowed.vouched(path)
        with _reading:
            return torch.export.load(str(path))
    except DeclarationError:
        raise
    except Exception as error:  # torch's loader raises whatever it stumbles over
        raise DeclarationError(
            f"{path} is no complete file of torch.export.save, or of another version of torch: "
            f"{type(error).__name__}: {error}"
        ) from error


def _tensors_only(content: bytes) -> object:
    return torch.load(io.BytesIO(content), weights_only=True)


def _script(path: Path, device: torch.device) -> Any:
    try:
        module = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise DeclarationError(
            f"{path} is no TorchScript file ({str(error).splitlines()[0]}). A file of torch.save "
            "is a pickle and is not loaded: save the model with torch.export.save (.pt2), or its "
            'weights with safetensors and write settings={"class": "module:Class"}'
        ) from None
    module.eval()
    return module


def _with_weights(path: Path, settings: ModelSettings, device: torch.device) -> torch.nn.Module:
    try:
        from safetensors.torch import load_file
    except ModuleNotFoundError:
        raise MissingExtra(str(path), "safetensors", "torch") from None
    module = _module_class(path, settings.text("class"))(**settings.mapping("kwargs"))
    if not isinstance(module, torch.nn.Module):
        raise DeclarationError(f"{settings.text('class')} makes no torch.nn.Module: {module!r}")
    try:
        weights = load_file(path, device=str(device))
        module.load_state_dict(weights, assign=True)
    except Exception as error:  # SafetensorError has no public base but Exception
        raise DeclarationError(f"{path} does not fit {settings.text('class')}: {error}") from error
    return module.to(device).eval().requires_grad_(False)


def _module_class(path: Path, reference: str) -> Callable[..., Any]:
    module, colon, name = reference.partition(":")
    if not (module and colon and name):
        raise DeclarationError(
            f"{path} holds weights only: name the class they belong to, as in "
            f'settings={{"class": "my_package.models:Ranker"}} (now {reference!r})'
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DeclarationError(f"there is no class {reference!r}: {error}") from error
    if not callable(found):
        raise DeclarationError(f"{reference!r} is no class: {found!r}")
    return found  # type: ignore[no-any-return]


def _named(names: list[str]) -> Signature | None:
    """One port for each argument; of a single one there is nothing to tell."""
    if len(names) == 1:
        return None
    return Signature(tuple(Port(name, ValueType("ndarray")) for name in names))


def _reason(said: str) -> str:
    """torch's own words without TorchScript's traceback, which ends in them."""
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("RuntimeError: ") if "TorchScript" in lines[0] else lines[0]


def _weights_dtype(parameters: Any) -> torch.dtype:
    for parameter in parameters:
        if parameter.is_floating_point():
            return parameter.dtype  # type: ignore[no-any-return]
    return torch.float32


def _plain(result: Any) -> Any:
    """The same with numpy arrays for tensors; bfloat16, which numpy lacks, as float32."""
    if isinstance(result, torch.Tensor):
        tensor = result.detach().cpu()
        return tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
    if isinstance(result, Mapping):
        return {name: _plain(value) for name, value in result.items()}
    if isinstance(result, (list, tuple)):
        if len(result) == 1:
            return _plain(result[0])
        return {f"output_{number}": _plain(value) for number, value in enumerate(result)}
    return np.asarray(result)
