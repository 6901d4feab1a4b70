"""The part of the cache that replicas and services share: Redis, never in the way.

Values are arrays and JSON in a self-describing form, no pickle. When Redis does not answer
within 50 ms it is left alone for a while and the node works uncached.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import numpy as np
import orjson

from umbel.graph.errors import MissingExtra

log = logging.getLogger("umbel.cache")

TIMEOUT_S = 0.05
REST_S = 2.0
"""How long Redis is left alone after it did not answer."""

_ARRAY, _JSON = b"a", b"j"


class SharedCache:
    """Get and put by key. Neither ever raises nor takes longer than ``TIMEOUT_S``."""

    def __init__(self, url: str, ttl_s: float) -> None:
        try:
            from redis import asyncio as redis
        except ModuleNotFoundError as error:
            raise MissingExtra(f"Cache(redis={url!r})", "redis", "redis") from error
        self._client = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        )
        self._ttl_ms = max(1, int(ttl_s * 1000))
        self._resting_until = 0.0

    async def get(self, key: bytes) -> tuple[bool, Any]:
        """Whether there is a value, and the value."""
        raw = await self._guarded(self._client.get(b"umbel:" + key))
        if not isinstance(raw, bytes):
            return False, None
        try:
            return True, decode(raw)
        except ValueError:
            return False, None

    async def put(self, key: bytes, value: Any) -> None:
        """Keep a value if it has a form."""
        raw = encode(value)
        if raw is not None:
            await self._guarded(self._client.set(b"umbel:" + key, raw, px=self._ttl_ms))

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _guarded(self, work: Any) -> Any:
        if time.monotonic() < self._resting_until:
            work.close()
            return None
        try:
            return await asyncio.wait_for(work, TIMEOUT_S * 2)
        except Exception as error:  # whatever the store's trouble, the request goes on
            self._resting_until = time.monotonic() + REST_S
            log.warning("the shared cache does not answer (%s): going on without", error)
            return None


def encode(value: Any) -> bytes | None:
    """An array or JSON value as bytes, ``None`` for anything else."""
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            return None
        head = orjson.dumps([value.dtype.str, list(value.shape)])
        return _ARRAY + len(head).to_bytes(4, "little") + head + value.tobytes()
    try:
        return _JSON + orjson.dumps(value)
    except TypeError:
        return None


def decode(raw: bytes) -> Any:
    """The value of ``encode``. Raises ``ValueError``."""
    kind, rest = raw[:1], raw[1:]
    if kind == _JSON:
        return orjson.loads(rest)
    if kind != _ARRAY:
        raise ValueError("not a cached value")
    size = int.from_bytes(rest[:4], "little")
    dtype, shape = orjson.loads(rest[4 : 4 + size])
    return np.frombuffer(rest[4 + size :], dtype=dtype).reshape(shape)
