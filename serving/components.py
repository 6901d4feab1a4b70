"""Parts of a graph that answer by themselves, for the servers beside it that call them: a
transformer in a container calls the predictor, which is a part of the same graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from umbel.serving.wire import WireRequest

COMPONENTS = "/components"
"""Below it, by host name, a part of the graph answers: see ``Graph.components``."""

T = TypeVar("T")


def component_for(
    components: Mapping[str, T], request: WireRequest, whole: T
) -> tuple[T, WireRequest]:
    """The part that a request is for, and the request as that part sees it; else ``whole``.
    A part is meant by its path, or by the first label of the host that was called."""
    head, _, rest = request.path.removeprefix(f"{COMPONENTS}/").partition("/")
    if request.path.startswith(f"{COMPONENTS}/") and head in components:
        return components[head], replace(request, path=f"/{rest}" if rest else "")
    host = request.headers.get("host", "").partition(":")[0].partition(".")[0]
    return components.get(host, whole), request
