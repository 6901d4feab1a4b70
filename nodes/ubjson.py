"""Reads Universal Binary JSON, the form that XGBoost saves models in (``.ubj``).

Only what that library writes, and every length is compared with what is left of the file, so
that a file cut short ends in an error and not in a crash of the library.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_NUMBERS = {
    "i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8",
}  # fmt: skip
_SINGLE = {"Z": None, "T": True, "F": False}
_DEEPEST = 64


def decode(content: bytes) -> Any:
    """The value in ``content``; typed arrays become numpy's. Raises ValueError."""
    reader = _Reader(content)
    value = reader.value(reader.marker(), 0)
    if reader.at != len(content):
        raise ValueError(f"{len(content) - reader.at} bytes after the end")
    return value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.at = 0

    def take(self, size: int) -> bytes:
        part = self._content[self.at : self.at + size] if size >= 0 else b""
        if size < 0 or len(part) != size:
            raise ValueError(f"cut short, or a wrong length, at byte {self.at}")
        self.at += size
        return part

    def marker(self) -> str:
        return chr(self.take(1)[0])

    def value(self, marker: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError(f"nested deeper than {_DEEPEST}")
        if marker == "{":
            return self._object(depth)
        if marker == "[":
            return self._array(depth)
        if marker == "S":
            return self._text()
        if marker in _SINGLE:
            return _SINGLE[marker]
        return self._number(marker)

    def _number(self, marker: str) -> Any:
        form = _NUMBERS.get(marker)
        if form is None:
            raise ValueError(f"an unknown mark {marker!r} at byte {self.at - 1}")
        return np.frombuffer(self.take(np.dtype(form).itemsize), form)[0].item()

    def _length(self) -> int:
        marker = self.marker()
        if marker == "L":
            return int(struct.unpack(">q", self.take(8))[0])
        if marker not in "iUIl":
            raise ValueError(f"no length at byte {self.at - 1}")
        return int(self._number(marker))

    def _text(self) -> str:
        return self.take(self._length()).decode("utf-8")

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._content[self.at : self.at + 1] != b"}":
            name = self._text()
            found[name] = self.value(self.marker(), depth + 1)
        self.at += 1
        return found

    def _array(self, depth: int) -> Any:
        ahead = self._content[self.at : self.at + 1]
        if ahead == b"$":
            self.take(1)
            form = np.dtype(_NUMBERS.get(self.marker(), "V0"))
            if form.itemsize == 0 or self.take(1) != b"#":
                raise ValueError(f"an array of an unknown type at byte {self.at}")
            return np.frombuffer(self.take(self._length() * form.itemsize), form)
        if ahead == b"#":
            self.take(1)
            return [self.value(self.marker(), depth + 1) for _ in range(self._length())]
        items: list[Any] = []
        while (marker := self.marker()) != "]":
            items.append(self.value(marker, depth + 1))
        return items
