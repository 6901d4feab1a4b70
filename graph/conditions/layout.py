"""Whitespace in JSON text: ``@ugly`` takes it away, ``@pretty`` lays it out."""

from __future__ import annotations

from dataclasses import dataclass

from umbel.graph.conditions.limits import MAX_DEPTH, GaveUp
from umbel.graph.conditions.raw_json import members, next_value, parse, string_end
from umbel.graph.conditions.results import JsonType, Result

_WHITESPACE = bytes(range(0x21))


@dataclass(frozen=True)
class Layout:
    """How ``@pretty`` writes: arrays without objects stay on a line of up to ``width`` bytes."""

    width: int = 80
    prefix: bytes = b""
    indent: bytes = b"  "
    sort_keys: bool = False


def ugly(text: bytes) -> bytes:
    """The text without whitespace outside strings."""
    parts: list[bytes] = []
    position = 0
    while True:
        quote = text.find(b'"', position)
        if quote < 0:
            break
        parts.append(text[position:quote].translate(None, _WHITESPACE))
        end = string_end(text, quote + 1)
        position = end + 1 if end >= 0 else len(text)
        parts.append(text[quote:position])
    return b"".join((*parts, text[position:].translate(None, _WHITESPACE)))


def pretty(text: bytes, layout: Layout) -> bytes:
    """The text's first value on lines of its own, with a newline at the end."""
    found = next_value(text, 0)
    writer = _Writer(layout)
    writer.write(found[0] if found else parse(text), 0)
    written = bytes(writer.out)
    return written + b"\n" if written else written


class _Writer:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.out = bytearray(layout.prefix)
        self.line_start = 0

    def write(self, value: Result, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise GaveUp
        if value.type is not JsonType.JSON:
            self.out += value.raw_bytes
        elif value.is_object:
            self._write_object(value, depth)
        elif not self._write_on_one_line(value):
            self._write_array(value, depth)

    def _write_on_one_line(self, value: Result) -> bool:
        room = self.layout.width - (len(self.out) - self.line_start)
        line = _one_line(value, room, 0) if self.layout.width > 0 and room > 3 else None
        self.out += line or b""
        return line is not None

    def _write_array(self, value: Result, depth: int) -> None:
        self.out += b"["
        count = 0
        for _, item in members(value):
            self._begin_line(depth + 1, after_comma=count > 0)
            self.write(item, depth + 1)
            count += 1
        self._close(b"]", depth, count)

    def _write_object(self, value: Result, depth: int) -> None:
        self.out += b"{"
        spans: list[tuple[bytes, bytes]] = []
        body = len(self.out)
        for key, item in members(value):
            if spans:
                self.out += b","
            self._begin_line(depth + 1, after_comma=False)
            start = self.line_start + 1
            self.out += key.raw_bytes + b": "
            self.write(item, depth + 1)
            spans.append((key.raw_bytes[1:-1], bytes(self.out[start:])))
        if self.layout.sort_keys and spans:
            lines = [line for _, line in sorted(spans, key=lambda span: span[0])]
            self.out[body:] = b"\n" + b",\n".join(lines)
        self._close(b"}", depth, len(spans))

    def _begin_line(self, depth: int, *, after_comma: bool) -> None:
        # Between array items the line counts from after its newline: one more byte of room.
        self.out += b"," if after_comma else b""
        self.line_start = len(self.out) + after_comma
        self.out += b"\n" + self.layout.prefix + self.layout.indent * depth

    def _close(self, closer: bytes, depth: int, count: int) -> None:
        if count:
            self._begin_line(depth, after_comma=False)
        self.out += closer


def _one_line(value: Result, room: int, depth: int) -> bytes | None:
    """An array in one line of up to ``room`` bytes; None if it is longer or holds an object."""
    if depth > MAX_DEPTH:
        raise GaveUp
    items: list[bytes] = []
    for _, item in members(value):
        if item.is_object:
            return None
        written = _one_line(item, room, depth + 1) if item.is_array else item.raw_bytes
        if written is None:
            return None
        items.append(written)
    line = b"[" + b", ".join(items) + b"]"
    return line if len(line) <= room else None
