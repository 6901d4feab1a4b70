"""How far a stream may run ahead of a reader in another process.

Whoever yields sends ``WINDOW`` items and then waits until the reader says how many it has taken.
The reader tells the very replica, by the name that Ray knows it by: Ray Serve would choose one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import ray
from ray.serve._private.constants import SERVE_NAMESPACE

from umbel.graph.errors import UmbelError

log = logging.getLogger("umbel")

WINDOW = 16
"""Items that may be on their way: enough to hide the trip, few enough for large tensors."""

TOLD_EVERY = WINDOW // 2
"""Items after which a reader tells how many it has taken."""

FORGOTTEN_AFTER_S = 600.0
"""Seconds without a sign of the reader after which a stream ends: its process may be gone."""


class ReaderGone(UmbelError):
    """Nobody reads a stream any more."""


class Window:
    """What one reader has taken of one stream. Belongs to the event loop that makes it."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self._loop = asyncio.get_running_loop()
        self._taken = 0
        self._news = asyncio.Event()

    async def room(self, sent: int) -> None:
        """Returns once ``sent`` items are less than a window ahead. Raises ``ReaderGone``."""
        while sent - self._taken >= WINDOW:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), FORGOTTEN_AFTER_S)
            except asyncio.TimeoutError as error:
                text = f"nothing of the stream was read for {FORGOTTEN_AFTER_S:g} s"
                raise ReaderGone(text) from error

    def told(self, taken: int) -> None:
        """The reader has taken ``taken`` items in all. From any thread."""
        self._loop.call_soon_threadsafe(self._tell, taken)

    def _tell(self, taken: int) -> None:
        self._taken = max(self._taken, taken)
        self._news.set()


_windows: dict[str, Window] = {}


@contextlib.contextmanager
def open_window() -> Iterator[Window]:
    """A window that readers in other processes can reach while the block lasts."""
    window = Window()
    _windows[window.id] = window
    try:
        yield window
    finally:
        del _windows[window.id]


def note_taken(actor: object, stream: str, taken: int) -> None:
    """In the process that yields: its reader has taken so many items."""
    window = _windows.get(stream)
    if window is not None:
        window.told(taken)


class Peer:
    """A replica by the name that Ray knows it by."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def tell(self, function: Callable[..., None], *args: Any) -> None:
        """Have ``function(actor, *args)`` run in the replica, in one of its threads. Nothing
        happens where the replica is gone."""
        try:
            actor = await _actor(self.name)
        except ValueError:
            return
        actor.__ray_call__.remote(function, *args)

    async def check(self) -> None:
        """Raises ``ReaderGone`` where the replica does not answer."""
        try:
            await (await _actor(self.name)).__ray_call__.remote(_nothing)
        except Exception as error:
            raise ReaderGone(f"the replica {self.name} has ended") from error


def own_name() -> str:
    """This replica's name, empty in a process that is none."""
    return ray.get_runtime_context().get_actor_name() or ""


_actors: dict[str, Any] = {}


async def _actor(name: str) -> Any:
    """Raises ``ValueError`` where there is none of this name."""
    if name not in _actors:
        found = await asyncio.to_thread(ray.get_actor, name, SERVE_NAMESPACE)
        if len(_actors) > 1000:  # of replicas that have gone
            _actors.clear()
        _actors[name] = found
    return _actors[name]


def _nothing(actor: object) -> None:
    return None
