"""Positions inside a YAML document: ``spec.steps[1]["a.b"]`` and back."""

from __future__ import annotations

import re
from collections.abc import Sequence

PathPart = str | int
Path = tuple[PathPart, ...]

_SEGMENT = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\.?([^.\[\]]+)')
_PLAIN_KEY = re.compile(r"^[^.\[\]\"\s]+$")


def path_text(path: Sequence[PathPart]) -> str:
    """``("spec", "steps", 1, "a.b")`` as ``spec.steps[1]["a.b"]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.match(part):
            text += f".{part}" if text else part
        else:
            escaped = part.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text


def parse_path(text: str) -> Path:
    """The inverse of `path_text`."""
    parts: list[PathPart] = []
    for quoted, index, name in _SEGMENT.findall(text):
        if index:
            parts.append(int(index))
        else:
            parts.append(name or re.sub(r"\\(.)", r"\1", quoted))
    return tuple(parts)
