"""Features from a Feast feature server: ``POST /get-online-features``."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import aiohttp
import orjson

from umbel.graph.errors import DeclarationError
from umbel.nodes.remote_failures import url_fault
from umbel.transformers.feature_source import (
    Description,
    FeatureColumn,
    Field,
    StoreRefused,
    StoreUnreachable,
)

log = logging.getLogger("umbel.feast")

_WRONG_VALUES = (
    "invalid literal",
    "could not convert",
    "not found in the entity rows",
    "has type",
    "bad argument type",
    "must be string",
    "out of range",
    "same columns",
)
"""What Feast's server says, with status 500, where a value of a row is wrong."""

_PROBE_S = 5.0
_LARGEST = 256 * 1024 * 1024
"""Bytes of an answer. 10,000 rows of 100 features are some 20 million."""


class FeastServer:
    """A feature server at ``url``. It does not tell its entities: ``keys`` names them."""

    def __init__(
        self,
        url: str,
        features: Sequence[str] | str,
        keys: Sequence[Field],
        request_fields: Sequence[Field],
        *,
        full_names: bool,
    ) -> None:
        self._url = url
        self._keys, self._request_fields = tuple(keys), tuple(request_fields)
        self._body: dict[str, Any] = {"full_feature_names": full_names}
        self._body["feature_service" if isinstance(features, str) else "features"] = features
        self._asked, self._full = features, full_names
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> Description:
        """Ask for no rows: unknown features are told now. A server that is not there yet is
        told in the log only, for it may start later. Raises DeclarationError."""
        fault = url_fault(self._url)
        if fault:
            raise DeclarationError(f"{self._url!r} is no URL of a feature server: {fault}")
        names: tuple[str, ...] = ()
        if not isinstance(self._asked, str):
            names = tuple(self._name(reference) for reference in self._asked)
        try:
            found = self._probe()
        except (urllib.error.URLError, OSError, ValueError, http.client.HTTPException) as error:
            log.warning("the Feast server %s does not answer yet: %s", self._url, error)
            found = ()
        return Description(self._keys, self._request_fields, names or found)

    def _name(self, reference: str) -> str:
        return reference.replace(":", "__") if self._full else reference.rpartition(":")[2]

    def _probe(self) -> tuple[str, ...]:
        entities: dict[str, list[Any]] = {f.name: [] for f in (*self._keys, *self._request_fields)}
        request = urllib.request.Request(  # noqa: S310  http or https: see open()
            f"{self._url}/get-online-features",
            json.dumps({**self._body, "entities": entities}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_PROBE_S) as reply:  # noqa: S310
                names = json.loads(reply.read())["metadata"]["feature_names"]
        except urllib.error.HTTPError as error:
            text = error.read(2000).decode("utf-8", "replace")
            if error.code in (404, 422) or "not found" in text or "not exist" in text:
                raise DeclarationError(
                    f"the Feast server {self._url} refuses {self._asked!r}: {text}; write "
                    'features=["view:feature", …] or the name of a feature service, and apply '
                    "the server's repository: `feast apply`"
                ) from None
            return ()
        except (KeyError, TypeError):
            return ()
        return tuple(name for name in _names(names) if name not in entities)

    async def look_up(self, columns: Mapping[str, Sequence[Any]]) -> Mapping[str, FeatureColumn]:
        """See FeatureSource."""
        body = orjson.dumps({**self._body, "entities": columns}, option=orjson.OPT_SERIALIZE_NUMPY)
        try:
            async with self._open().post(
                f"{self._url}/get-online-features",
                data=body,
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
            ) as reply:
                content = await _read(reply)
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise StoreUnreachable(f"the Feast server {self._url}: {reason}") from error
        if reply.status != 200:
            raise _refusal(self._url, reply.status, content)
        try:
            return _columns(_parsed(content), columns)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreUnreachable(
                f"{self._url} does not answer like a Feast feature server: {error}"
            ) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def close(self) -> None:
        """Close idle connections."""
        if self._session is not None:
            await self._session.close()


async def _read(reply: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in reply.content.iter_chunked(1 << 16):
        parts.append(part)
        size += len(part)
        if size > _LARGEST:
            raise StoreUnreachable(f"{reply.url} answers with more than {_LARGEST:,} bytes")
    return b"".join(parts)


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except ValueError:
        return json.loads(content)  # knows NaN, which some servers write


def _refusal(url: str, status: int, content: bytes) -> StoreRefused | StoreUnreachable:
    text = content[:2000].decode("utf-8", "replace")
    if status == 422 or any(words in text for words in _WRONG_VALUES):
        return StoreRefused(f"Feast: {text}")
    return StoreUnreachable(f"the Feast server {url} answers {status}: {text[:300]}")


def _names(found: Any) -> list[str]:
    """Feast's servers write the list itself, or the message around it."""
    return list(found["val"] if isinstance(found, dict) else found)


def _columns(answer: Any, sent: Mapping[str, Any]) -> dict[str, FeatureColumn]:
    columns = {}
    rows = len(next(iter(sent.values()), ()))
    for name, vector in zip(
        _names(answer["metadata"]["feature_names"]), answer["results"], strict=True
    ):
        if name in sent:
            continue
        values = vector["values"]
        if len(values) != rows:
            raise ValueError(f"{len(values)} values of {name!r} for {rows} rows")
        states = vector.get("statuses") or ["PRESENT"] * len(values)
        stamps = vector.get("event_timestamps") or [""] * len(values)
        columns[name] = FeatureColumn(
            [
                value if state in ("PRESENT", "OUTSIDE_MAX_AGE") else None
                for value, state in zip(values, states, strict=True)
            ],
            [_seconds(stamp) for stamp in stamps],
        )
    return columns


def _seconds(stamp: str) -> float:
    """Of RFC 3339 text; 0 if there is none."""
    if not stamp:
        return 0.0
    head, _, fraction = stamp.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(f"{head}+00:00").timestamp()
    return whole + (float(f"0.{fraction}") if fraction.isdigit() else 0.0)
