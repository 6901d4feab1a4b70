"""Starts Ray without the processes an embedded run has no use for.

``ray.init`` always starts the dashboard's server, the autoscaler's monitor and the log
monitor; together they cost two seconds of the start on two cores and 170 MB. There is no
public switch, so the two places are replaced for as long as ``ray.init`` runs. Where a Ray
version names them otherwise, Ray starts as it always does.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def without_side_processes() -> Iterator[None]:
    """Within this block, ``ray.init`` starts GCS, raylet and the two agents only."""
    from ray._private import node, parameter

    params: Any = getattr(parameter, "RayParams", None)
    with contextlib.ExitStack() as undo:
        if params is not None and hasattr(node.Node, "start_api_server"):
            lean = functools.partial(params, no_monitor=True, include_log_monitor=False)
            undo.enter_context(_replaced(parameter, "RayParams", lean))
            undo.enter_context(_replaced(node.Node, "start_api_server", _start_nothing))
        yield


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _start_nothing(_node: Any, **_options: Any) -> None:
    return None
