"""Where and how a torch model computes: device, precision, compilation, pinned memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from umbel.graph.errors import DeclarationError
from umbel.nodes.model_settings import ModelSettings

SETTINGS = {
    "device": "cpu, cuda, cuda:N or auto (the default: cuda where there is one)",
    "precision": "full (the default), bfloat16 or float16: autocast, the answer stays as it was",
    "compile": "true: torch.compile; the first request of each kind of shape waits for it",
    "pinned": "false: inputs go to the GPU without pinned memory",
    "output": "array, or tensor, which stays on the device for the next node (default: as it came)",
}
_PRECISIONS = {"full": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Execution:
    """``precision`` ``None``: that of the weights. ``output``: array, tensor, or empty for tensors
    where one came."""

    device: torch.device
    precision: torch.dtype | None = None
    compiled: bool = False
    pinned: bool = True
    output: str = ""

    @classmethod
    def of(cls, settings: ModelSettings) -> Execution:
        """What the settings say. Raises DeclarationError."""
        precision = settings.text("precision", "full", tuple(_PRECISIONS))
        return cls(
            device_of(settings.text("device", "auto")),
            _PRECISIONS[precision],
            settings.flag("compile"),
            settings.flag("pinned", True),
            settings.text("output", "", ("", "array", "tensor")),
        )

    def prepared(self, module: Callable[..., Any]) -> Callable[..., Any]:
        """The module, compiled if that was asked for. Raises DeclarationError where it cannot
        be: TorchScript is compiled already."""
        if not self.compiled:
            return module
        if isinstance(module, torch.jit.ScriptModule):
            raise DeclarationError(
                "torch.compile takes no TorchScript: export the model with torch.export (.pt2), "
                'or drop settings={"compile": True}'
            )
        made: Callable[..., Any] = torch.compile(module, dynamic=True)
        return made

    def run(self, module: Callable[..., Any], tensors: list[Any], weights: torch.dtype) -> Any:
        """The module's answer, floats in ``weights``' dtype whatever the arithmetic was."""
        reduced: Any = contextlib.nullcontext()
        if self.precision is not None:
            reduced = torch.autocast(self.device.type, self.precision)
        with torch.inference_mode(), reduced:
            result = module(*tensors)
        return result if self.precision is None else _cast(result, self.precision, weights)

    def moved(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor on the device; itself if it lies there. From pinned memory the copy runs
        beside the GPU's work; a copy to the CPU is waited for, its values are read at once."""
        if tensor.device == self.device:
            return tensor
        if self.pinned and self.device.type == "cuda" and tensor.device.type == "cpu":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=self.device.type != "cpu")


def device_of(asked: str) -> torch.device:
    """The device called so. Raises DeclarationError where it is not here."""
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
    except RuntimeError:
        raise DeclarationError(f"there is no device {asked!r}; write cpu, cuda or auto") from None
    if device.type == "cuda" and (
        not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()
    ):
        raise DeclarationError(
            f"device {asked!r} is not here: this process sees {torch.cuda.device_count()} GPUs; "
            'give the node gpus=1, or write settings={"device": "cpu"}'
        )
    return device


def _cast(result: Any, reduced: torch.dtype, weights: torch.dtype) -> Any:
    if isinstance(result, torch.Tensor):
        return result.to(weights) if result.dtype == reduced else result
    if isinstance(result, Mapping):
        return {name: _cast(one, reduced, weights) for name, one in result.items()}
    if isinstance(result, (list, tuple)):
        return type(result)(_cast(one, reduced, weights) for one in result)
    return result
