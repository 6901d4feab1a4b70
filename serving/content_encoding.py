"""Bodies that a client compressed: gzip and deflate, as Triton's clients send them."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import replace

from umbel.graph.errors import BodyTooLarge, InvalidInput
from umbel.nodes.descriptions import clip
from umbel.serving.wire import WireRequest

MOST = 64 * 1024 * 1024
"""Bytes of a body that was compressed: a few kilobytes must not become gigabytes."""

_INLINE = 64 * 1024
"""Bytes up to which a body is unpacked on the event loop."""

_GZIP = 16 + zlib.MAX_WBITS


async def plain_request(request: WireRequest) -> WireRequest:
    """The request with a plain body. Raises as ``plain_body`` does."""
    encoding = request.headers.get("content-encoding")
    if not encoding:
        return request
    return replace(request, body=await plain_body(request.body, encoding))


async def plain_body(body: bytes, encoding: str) -> bytes:
    """The body as it was before ``Content-Encoding``. Raises InvalidInput for one that is
    damaged or of another encoding, BodyTooLarge."""
    named = encoding.strip().lower()
    if named in ("", "identity"):
        return body
    if named not in ("gzip", "x-gzip", "deflate"):
        raise InvalidInput(
            f"expected a Content-Encoding of gzip, deflate or none, got {clip(encoding)!r}"
        )
    if len(body) > _INLINE:
        return await asyncio.to_thread(_unpacked, body, named)
    return _unpacked(body, named)


def _unpacked(body: bytes, named: str) -> bytes:
    windows = (zlib.MAX_WBITS, -zlib.MAX_WBITS) if named == "deflate" else (_GZIP,)
    reason = ""
    for window in windows:  # deflate is zlib's format by the standard, and raw by habit
        unpacker = zlib.decompressobj(window)
        try:
            plain = unpacker.decompress(body, MOST + 1)
        except zlib.error as error:
            reason = reason or str(error)
            continue
        if len(plain) > MOST:
            raise BodyTooLarge(f"the unpacked body has more than {MOST} bytes")
        if not unpacker.eof:
            reason = "it ends too early"
        elif unpacker.unused_data:
            reason = "there is more behind it"
        else:
            return plain
    raise InvalidInput(f"the body is no complete {named} data: {reason}")
