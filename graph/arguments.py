"""Pairing a call's arguments with the ports of the node or graph that is called."""

from __future__ import annotations

from typing import Any

from umbel.graph.steps import StepId
from umbel.graph.tracing import Outputs, Trace
from umbel.graph.value_types import Signature


def bind_arguments(
    trace: Trace,
    callee: str,
    signature: Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[str, StepId], ...]:
    """Pair arguments with ports. Too many, unknown and missing ones are findings."""
    given = _given(trace, callee, signature, args, kwargs)
    fed = []
    for name, value in given.items():
        if isinstance(value, Outputs):
            trace.find(
                "UMB-G107",
                f"input {name!r} gets {len(value)} values at once ({', '.join(value.names)})",
                fix=f"pick one: value[{value.names[0]!r}]",
                subject=callee,
            )
            value = value[0]
        fed.append((name, trace.lift(value).step))
    return tuple(fed)


def _given(
    trace: Trace,
    callee: str,
    signature: Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> dict[str, Any]:
    """Arguments by port name, with a finding for each that is wrong or missing."""
    ports = [port.name for port in signature.inputs]
    takes = f"{callee} takes {', '.join(ports) or 'nothing'}"
    given: dict[str, Any] = dict(zip(ports, args, strict=False))
    if len(args) > len(ports):
        trace.find(
            "UMB-G102",
            f"{len(args)} positional arguments came; {takes}",
            fix=f"call {callee}({', '.join(ports)})",
            subject=callee,
        )
    for name, value in kwargs.items():
        if name in ports and name not in given:
            given[name] = value
        else:
            problem = "comes twice" if name in ports else "is no input"
            trace.find(
                "UMB-G102",
                f"argument {name!r} {problem}; {takes}",
                fix=f"call {callee}({', '.join(ports)})",
                subject=callee,
            )
    for port in signature.inputs:
        if port.required and port.name not in given:
            trace.find(
                "UMB-G103",
                f"input {port.name!r} is missing; {takes}",
                fix=f"call {callee}({', '.join(ports)})",
                subject=callee,
            )
    return given
