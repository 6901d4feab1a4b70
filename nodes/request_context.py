"""What accompanies every call of a request: id, deadline, headers, and the path taken."""

from __future__ import annotations

import contextvars
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class NodeCall:
    """One node call on record. Times are seconds on ``time.perf_counter``; ``outcome`` is
    ``ok``, ``cancelled``, or the error's type name; ``attempts`` is over 1 after retries."""

    step: str
    node: str
    start: float
    seconds: float = 0.0
    queued: float = 0.0
    outcome: str = "ok"
    graph: str = ""
    attempts: int = 1


_ids = random.Random()  # noqa: S311 - an id tells requests apart, it keeps no secret
os.register_at_fork(after_in_child=_ids.seed)


def _new_id() -> str:
    """16 hexadecimal digits, without a call of the operating system."""
    return f"{_ids.getrandbits(64):016x}"


@dataclass(slots=True)
class RequestContext:
    """One request as it travels. Shared by all steps of the request, fused or remote.

    ``deadline`` is on ``time.monotonic`` (seconds), ``None`` for none. ``headers`` are the
    request's, names in lower case, repeated ones joined in order. ``path`` lists the steps
    that ran, in the order in which they ended; ``branches`` says which branch each switch and
    splitter took.
    """

    id: str = field(default_factory=_new_id)
    deadline: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    header_list: tuple[tuple[str, str], ...] = ()
    calls: list[NodeCall] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> list[str]:
        """The node steps that ran, as ``step`` names."""
        return [call.step for call in self.calls]

    def for_service(self, header_list: Sequence[tuple[str, str]]) -> RequestContext:
        """The request as a service that it calls sees it: with ``header_list`` and nothing else
        of the client's headers, a deadline it may shorten, its calls on this request's record."""
        headers = {name.lower(): value for name, value in header_list}
        return RequestContext(
            self.id, self.deadline, headers, tuple(header_list), self.calls, self.branches
        )

    def remaining(self) -> float | None:
        """Seconds left until the deadline, ``None`` for no deadline."""
        return None if self.deadline is None else self.deadline - time.monotonic()


_current: contextvars.ContextVar[RequestContext | None] = contextvars.ContextVar(
    "umbel_request", default=None
)


def current_request() -> RequestContext:
    """The context of the request that the calling node is serving.

    Raises ``LookupError`` outside a request.
    """
    context = _current.get()
    if context is None:
        raise LookupError("no request is being served here")
    return context


def enter(context: RequestContext) -> contextvars.Token[RequestContext | None]:
    """Make ``context`` the current one for this task."""
    return _current.set(context)


def leave(token: contextvars.Token[RequestContext | None]) -> None:
    """Take back an ``enter`` of the same task: the request before it is the current one again."""
    _current.reset(token)
