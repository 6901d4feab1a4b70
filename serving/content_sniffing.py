"""What a body is, judged by its first bytes: the type that Go's HTTP server puts on a reply
whose handler named none. KServe's router names one for JSON only.

The rules are those of the WHATWG's MIME Sniffing standard that Go follows.
"""

from __future__ import annotations

import re

_LOOKED_AT = 512
"""Bytes that count."""

_TAGS = rb"!DOCTYPE HTML|HTML|HEAD|SCRIPT|IFRAME|H1|DIV|FONT|TABLE|A|STYLE|TITLE|B|BODY|BR|P|!--"
_SPACE = rb"[\t\n\x0c\r ]*"

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (_SPACE + rb"<(?i:" + _TAGS + rb")[ >]", "text/html; charset=utf-8"),
    (_SPACE + rb"<\?xml", "text/xml; charset=utf-8"),
    (rb"%PDF-", "application/pdf"),
    (rb"%!PS-Adobe-", "application/postscript"),
    (rb"\xfe\xff..", "text/plain; charset=utf-16be"),
    (rb"\xff\xfe..", "text/plain; charset=utf-16le"),
    (rb"\xef\xbb\xbf.", "text/plain; charset=utf-8"),
    (rb"\x00\x00[\x01\x02]\x00", "image/x-icon"),
    (rb"BM", "image/bmp"),
    (rb"GIF8[79]a", "image/gif"),
    (rb"RIFF....WEBPVP", "image/webp"),
    (rb"\x89PNG\r\n\x1a\n", "image/png"),
    (rb"\xff\xd8\xff", "image/jpeg"),
    (rb"FORM....AIFF", "audio/aiff"),
    (rb"ID3", "audio/mpeg"),
    (rb"OggS\x00", "application/ogg"),
    (rb"MThd\x00\x00\x00\x06", "audio/midi"),
    (rb"RIFF....AVI ", "video/avi"),
    (rb"RIFF....WAVE", "audio/wave"),
    (rb"\x1a\x45\xdf\xa3", "video/webm"),
    (rb".{34}LP", "application/vnd.ms-fontobject"),
    (rb"\x00\x01\x00\x00", "font/ttf"),
    (rb"OTTO", "font/otf"),
    (rb"ttcf", "font/collection"),
    (rb"wOFF", "font/woff"),
    (rb"wOF2", "font/woff2"),
    (rb"\x1f\x8b\x08", "application/x-gzip"),
    (rb"PK\x03\x04", "application/zip"),
    (rb"Rar!\x1a\x07(\x00|\x01\x00)", "application/x-rar-compressed"),
    (rb"\x00asm", "application/wasm"),
)
_KINDS = tuple((re.compile(pattern, re.DOTALL), kind) for pattern, kind in _SIGNATURES)
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def sniffed_type(body: bytes) -> str:
    """The media type of ``body``; empty for an empty body, which needs none."""
    start = body[:_LOOKED_AT]
    if not start:
        return ""
    for pattern, kind in _KINDS:
        if pattern.match(start):
            return kind
    if _is_mp4(start):
        return "video/mp4"
    return "application/octet-stream" if _BINARY.search(start) else "text/plain; charset=utf-8"


def _is_mp4(start: bytes) -> bool:
    """A first box ``ftyp`` that lies within what is looked at and names a brand ``mp4…``."""
    size = int.from_bytes(start[:4], "big")
    if len(start) < 12 or len(start) < size or size % 4 or start[4:8] != b"ftyp":
        return False
    brands = (at for at in range(8, size, 4) if at != 12)  # at 12 stands the version
    return any(start[at : at + 3] == b"mp4" for at in brands)
