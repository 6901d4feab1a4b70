"""Is a resource ready, and waiting until it is."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from umbel.k8s.client.api_server import Raw
from umbel.k8s.client.failures import ClusterUnreachable, NotReadyInTime

log = logging.getLogger("umbel.client")


def is_ready(raw: Mapping[str, Any], generation: int | None = None) -> bool:
    """The condition Ready is True, and of today's spec: a status that was written about an
    older generation, or one older than ``generation``, says nothing."""
    status = raw.get("status") or {}
    seen = status.get("observedGeneration")
    if seen is not None and seen < raw["metadata"].get("generation", 0):
        return False
    if generation is not None and (seen is None or seen < generation):
        return False
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in _all(raw))


def wait(
    read: Callable[[], Raw],
    what: str,
    timeout_s: float,
    poll_s: float,
    told: bool,
    generation: int | None = None,
) -> Raw:
    """The resource once it is ready. ``told``: print a row, as KServe's client does, and log the
    conditions whenever they change.

    Raises ``NotReadyInTime`` with the conditions; what ``read`` raises goes through, but for an
    API server that is away for a while.
    """
    end, problem = time.monotonic() + timeout_s, "it was never read"
    before: tuple[str, tuple[str, ...]] | None = None
    while True:
        try:
            raw = read()
            problem, cells = conditions(raw), row(raw)
            if told and (problem, cells) != before:
                log.info("%s: %s", what, problem.replace("\n", ";"))
                sys.stdout.write(("" if before else _row(_TITLES)) + _row(cells))
                sys.stdout.flush()
            before = problem, cells
            if is_ready(raw, generation):
                return raw
        except ClusterUnreachable as error:
            problem = str(error)
        left = end - time.monotonic()
        if left <= 0:
            raise NotReadyInTime(f"{what} is not ready after {timeout_s:g} s:\n{problem}")
        time.sleep(min(poll_s, left))


def row(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Name, state, the percents of the revision before and of the newest, and the URL."""
    ready = next((one for one in _all(raw) if one.get("type") == "Ready"), {})
    status = raw.get("status") or {}
    traffic = ((status.get("components") or {}).get("predictor") or {}).get("traffic") or ()
    latest = sum(one.get("percent") or 0 for one in traffic if one.get("latestRevision"))
    previous = sum(one.get("percent") or 0 for one in traffic if not one.get("latestRevision"))
    state = str(ready.get("status") or "Unknown")
    return (raw["metadata"]["name"], state, str(previous), str(latest), status.get("url") or "")


_TITLES = ("NAME", "READY", "PREV", "LATEST", "URL")


def _row(cells: Sequence[str]) -> str:
    widths = (20, 10, 6, 8, 0)
    whole = " ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return whole.rstrip() + "\n"


def conditions(raw: Mapping[str, Any]) -> str:
    """The conditions that are not True, a line each, with reason and message."""
    lines = [
        f"  {one.get('type')}={one.get('status')} {one.get('reason', '')}: {one.get('message', '')}"
        for one in _all(raw)
        if one.get("status") != "True" and one.get("severity") != "Info"
    ]
    return "\n".join(line.rstrip(": ") for line in lines) or (
        "  all its conditions are True, of an older generation"
        if _all(raw)
        else "  no conditions yet: does the operator run and watch this namespace?"
    )


def _all(raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = (raw.get("status") or {}).get("conditions") or ()
    return [one for one in found if isinstance(one, Mapping)]
