"""A ``.pt2`` file of ``torch.export.save``: its program, and the signature it tells."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from umbel.graph.errors import DeclarationError
from umbel.graph.value_types import DTYPES, Dim, Port, Signature, ValueType
from umbel.nodes.code_in_files import Permission
from umbel.nodes.torch_export_contents import beyond_data


@dataclass(frozen=True)
class ExportedModel:
    """A program ready to be called with positional tensors."""

    call: Callable[..., Any]
    signature: Signature
    parameters: tuple[torch.Tensor, ...]


def open_exported(path: Path, allowed: Permission, device: torch.device) -> ExportedModel:
    """Load ``path`` on ``device``. Raises DeclarationError."""
    try:
        more = beyond_data(path)
    except (RuntimeError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise _broken(path, error) from error
    if more:
        allowed.open(path, f"a .pt2 file that holds more than data ({more})").close()
    else:
        allowed.vouched(path)
    try:
        program = torch.export.load(str(path))
        module = program.module()
        if device.type != "cpu":
            module = module.to(device)
    except Exception as error:
        raise _broken(path, error) from error
    return ExportedModel(module, _signature(program), tuple(program.state_dict.values()))


def _broken(path: Path, error: Exception) -> DeclarationError:
    return DeclarationError(
        f"{path} is no complete file of torch.export.save, or of another version of torch: "
        f"{type(error).__name__}: {error}"
    )


def _signature(program: Any) -> Signature:
    nodes = {node.name: node for node in program.graph.nodes}
    names = list(program.graph_signature.user_inputs)
    keys: dict[str, str] = {}
    inputs = tuple(
        Port("x" if len(names) == 1 else name, _value_type(nodes.get(name), keys)) for name in names
    )
    outputs = list(program.graph_signature.user_outputs)
    types = [_value_type(nodes.get(name), keys) for name in outputs]
    layout = program.call_spec.out_spec
    if layout is not None and layout.type is dict and len(layout.context) == len(types):
        keyed = tuple(Port(str(k), kind) for k, kind in zip(layout.context, types, strict=True))
        return Signature(inputs, keyed, keyed=True)
    if len(types) == 1:
        return Signature(inputs, (Port("output", types[0]),))
    return Signature(
        inputs, tuple(Port(f"output_{n}", kind) for n, kind in enumerate(types)), keyed=True
    )


def _value_type(node: Any, keys: dict[str, str]) -> ValueType:
    value = None if node is None else node.meta.get("val")
    if not isinstance(value, torch.Tensor):
        return ValueType("ndarray")
    name = str(value.dtype).removeprefix("torch.")
    dims = tuple(_dim(axis, length, keys) for axis, length in enumerate(value.shape))
    return ValueType("ndarray", name if name in DTYPES else None, dims)


def _dim(axis: int, length: Any, keys: dict[str, str]) -> Dim:
    if isinstance(length, int):
        return length
    symbol = str(length)
    if not re.fullmatch(r"[a-z]\w*", symbol):
        return f"({symbol})"
    if symbol not in keys:
        taken = set(keys.values())
        keys[symbol] = "batch" if axis == 0 and "batch" not in taken else f"n{len(keys)}"
    return keys[symbol]
