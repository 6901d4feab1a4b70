"""The replies of steps, noted while a graph with ``umbel.dev/intermediate-outputs`` runs.

They travel beside the call, in a context variable: all tasks of one request share a notebook.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

from umbel.nodes.messages import Message

Notebook = dict[str, Message]

_notebook: contextvars.ContextVar[Notebook | None] = contextvars.ContextVar(
    "umbel_notebook", default=None
)


def note(name: str, reply: Message) -> None:
    """Write a reply down, if anybody asked for it."""
    notebook = _notebook.get()
    if notebook is not None:
        notebook[name] = reply


@contextlib.contextmanager
def notes(notebook: Notebook | None) -> Iterator[None]:
    """What runs inside writes into ``notebook``, or nowhere."""
    token = _notebook.set(notebook)
    try:
        yield
    finally:
        _notebook.reset(token)
