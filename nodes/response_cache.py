"""Answers kept for equal inputs: least recently used in memory, and in Redis between replicas.

The key is the node's revision and a 128-bit digest of the typed input: dtype, shape and bytes
of every array, canonical JSON of everything else. Failures are never kept. Equal requests in
flight are one execution. Without Redis, or while it does not answer, only memory is used.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
import orjson

from umbel.graph.canonical import as_data
from umbel.graph.ir import Node
from umbel.graph.options import Cache
from umbel.nodes.request_context import current_request
from umbel.nodes.shared_cache import SharedCache

log = logging.getLogger("umbel.cache")

CACHE_HEADER = "umbel-cache"
"""Names the nodes whose answers came from the cache, in the response."""


class Uncacheable(Exception):
    """A value has no digest."""


class ResponseCache:
    """Answers of one node. ``hits``, ``misses`` and ``joined`` count requests."""

    def __init__(self, node: Node, cache: Cache) -> None:
        self._name, self._cache = node.name, cache
        self._revision = revision(node)
        self._kept: OrderedDict[bytes, tuple[float, Any]] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[Any]] = {}
        self._shared = SharedCache(cache.redis, cache.ttl_s) if cache.redis else None
        self.hits = self.misses = self.joined = 0

    async def get(self, values: Mapping[str, Any], run: Callable[[], Awaitable[Any]]) -> Any:
        """The answer for ``values``: kept, awaited from an equal request, or from ``run``."""
        try:
            key = digest(self._revision, values)
        except Uncacheable as reason:
            log.debug("node %r: %s", self._name, reason)
            return await run()
        kept = self._kept.get(key)
        if kept is not None and kept[0] > time.monotonic():
            self._kept.move_to_end(key)
            return self._hit(kept[1])
        task = self._running.get(key)
        if task is not None:
            self.joined += 1
            return await asyncio.shield(task)
        task = asyncio.ensure_future(self._fill(key, run))
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def _fill(self, key: bytes, run: Callable[[], Awaitable[Any]]) -> Any:
        if self._shared is not None:
            found, value = await self._shared.get(key)
            if found:
                self._keep(key, value)
                return self._hit(value)
        self.misses += 1
        value = await run()
        self._keep(key, value)
        if self._shared is not None:
            await self._shared.put(key, value)
        return value

    def _keep(self, key: bytes, value: Any) -> None:
        if isinstance(value, np.ndarray):
            value.flags.writeable = False  # shared by every later hit
        self._kept[key] = (time.monotonic() + self._cache.ttl_s, value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._cache.max_items:
            self._kept.popitem(last=False)

    def _hit(self, value: Any) -> Any:
        self.hits += 1
        try:
            headers = current_request().response_headers
        except LookupError:
            return value
        named = headers.get(CACHE_HEADER)
        headers[CACHE_HEADER] = f"{named}, {self._name}" if named else self._name
        return value

    async def close(self) -> None:
        """Let go of Redis."""
        if self._shared is not None:
            await self._shared.close()


def revision(node: Node) -> bytes:
    """Changes with the node's code reference, set-up, model location and signature."""
    told = orjson.dumps([as_data(node.code), as_data(node.signature)], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(told, digest_size=16).digest()


def digest(node_revision: bytes, values: Mapping[str, Any]) -> bytes:
    """128 bits of the typed input. Raises ``Uncacheable``."""
    state = hashlib.blake2b(node_revision, digest_size=16)
    for name in sorted(values):
        state.update(name.encode() + b"\0")
        _feed(state, values[name])
    return state.digest()


def _feed(state: Any, value: Any) -> None:
    detach = getattr(value, "detach", None)
    if callable(detach):
        value = detach().cpu().numpy()
    if isinstance(value, np.ndarray) and value.dtype != object:
        state.update(f"array {value.dtype.str} {value.shape}\0".encode())
        state.update(np.ascontiguousarray(value).data)
        return
    if isinstance(value, bytes):
        state.update(b"bytes\0" + value)
        return
    try:
        state.update(type(value).__name__.encode() + b"\0")
        state.update(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    except TypeError as error:
        raise Uncacheable(f"a {type(value).__name__} has no digest") from error
