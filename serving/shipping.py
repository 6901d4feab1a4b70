"""How a plan reaches a replica.

Code of a graph file is sent as a name: the replica runs the file again and looks it up, so
module state, locks and open files never have to be copied. What has no name (a closure, a
function typed into a session) is sent by value. Both stay within one Ray cluster of one user.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

from ray import cloudpickle

from umbel.graph.definitions import ClassDefinition, NodeDefinition
from umbel.graph.implementations import PythonCode
from umbel.graph.plan import Plan
from umbel.graph.source import load_module
from umbel.serving.neutral_pickling import NeutralPickler

_PREFIX = "umbel_file_"


def pack(plan: Plan) -> bytes:
    """The plan with its code, for replicas of the same cluster."""
    buffer = io.BytesIO()
    _Pickler(buffer).dump(plan)  # type: ignore[no-untyped-call]
    packed: bytes = cloudpickle.dumps((list(sys.path), sys.prefix, buffer.getvalue()))  # type: ignore[no-untyped-call]
    return packed


def unpack(payload: bytes) -> Plan:
    """The plan that ``pack`` took. Runs the graph files it names."""
    paths, prefix, inner = cloudpickle.loads(payload)
    if prefix != sys.prefix:  # an environment of its own: the other one's packages are not for it
        paths = [path for path in paths if not path.startswith(prefix + os.sep)]
    sys.path += [path for path in paths if path not in sys.path]
    plan: Plan = cloudpickle.loads(inner)
    return plan


class _Pickler(NeutralPickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, (type, FunctionType)) and obj.__module__.startswith(_PREFIX):
            file = getattr(sys.modules.get(obj.__module__), "__file__", None)
            if file and _find(Path(file), obj.__qualname__) is obj:
                return resolve, (file, obj.__qualname__)
        return super().reducer_override(obj)


def resolve(file: str, qualname: str) -> Any:
    """The function or class called ``qualname`` in a graph file, without its decoration."""
    found = _find(Path(file), qualname)
    if found is None:
        raise LookupError(f"{file} no longer declares {qualname}")
    return found


def _find(file: Path, qualname: str) -> Any:
    value: Any = load_module(file)
    for part in qualname.split("."):
        value = getattr(value, part, None)
    if isinstance(value, NodeDefinition) and isinstance(value.code, PythonCode):
        return value.code.target
    return value.cls if isinstance(value, ClassDefinition) else value
