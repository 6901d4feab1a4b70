"""How an explainer calls what it explains, wherever that runs.

The engine gives each call of an explainer a *predictor*: the graph or node it explains, as one
asynchronous function of a batch.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from umbel.graph.errors import RequestFailed


class Predictor(Protocol):
    """What is explained. ``from_client``: the batch is the client's own, so that what is wrong
    with it is the client's mistake; else the explainer made it up."""

    def __call__(self, batch: Any, *, from_client: bool = False) -> Awaitable[Any]:
        """The prediction for a batch: an array, a list of texts."""

    @property
    def blocking(self) -> bool:
        """Whether a call may be run to its end in a thread without an event loop."""


_current: contextvars.ContextVar[Predictor | None] = contextvars.ContextVar(
    "umbel_predictor", default=None
)


def current_predictor() -> Predictor:
    """The predictor of the call under way. Raises ``RequestFailed`` where there is none."""
    predictor = _current.get()
    if predictor is None:
        raise RequestFailed("an explainer was called without anything to explain: give it of=")
    return predictor


@contextmanager
def predicting(predictor: Predictor) -> Iterator[None]:
    """Explainers called inside explain ``predictor``."""
    token = _current.set(predictor)
    try:
        yield
    finally:
        _current.reset(token)
