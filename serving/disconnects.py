"""A client that has gone away: the work for it is cancelled.

Watching costs nothing for quick requests: the watch begins after a while only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

WATCH_AFTER_S = 0.05
"""Seconds until a request is worth watching."""


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class DisconnectWatch:
    """Cancels the task it was entered in when the client closes the connection.

    ``gone`` is true after that; the cancellation then ends at this context manager. With
    ``cancels=False`` nothing is watched: KServe's router carries on to the end.
    """

    def __init__(self, receive: Receive, *, cancels: bool = True) -> None:
        self._receive, self._cancels = receive, cancels
        self._watcher: asyncio.Task[None] | None = None
        self.gone = False

    def __enter__(self) -> DisconnectWatch:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._timer = loop.call_later(WATCH_AFTER_S, self._begin) if self._cancels else None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        return self.gone and kind is asyncio.CancelledError

    def _begin(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                break
        if self._task is not None and not self._task.done():
            self.gone = True
            self._task.cancel()
