"""The options of a saved model, checked as they are read.

A runtime names every setting it knows with its meaning, so that a mistyped one is answered
with the list of those that exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile

PERMISSIONS: Mapping[str, str] = {
    "sha256": "the file's SHA-256 in hex: only this very file is loaded",
    "allow_pickle": "true: load a file that runs code of its author while it is read",
}
"""Settings of every format whose files may hold code. See ``umbel.nodes.code_in_files``."""


class ModelSettings:
    """The options of one model. ``known`` is each name with its meaning."""

    def __init__(self, code: ModelFile, known: Mapping[str, str]) -> None:
        self._code, self._known = code, known
        for name in code.options:
            if name not in known:
                listed = "; ".join(f"{name!r}: {meaning}" for name, meaning in known.items())
                raise DeclarationError(
                    f"{self._of} has no setting {name!r}; it has {listed or 'none'}"
                )

    @property
    def _of(self) -> str:
        return f"model format {self._code.format!r}"

    def _wrong(self, name: str, expected: str) -> NoReturn:
        got = self._code.options[name]
        raise DeclarationError(f"{self._of}: setting {name!r} is {expected}, not {got!r}")

    def text(self, name: str, default: str = "", choices: tuple[str, ...] = ()) -> str:
        """A string, one of ``choices`` if there are any."""
        value = self._code.options.get(name, default)
        if not isinstance(value, str) or (choices and value not in choices):
            listed = f"one of {', '.join(map(repr, choices))}"
            self._wrong(name, listed if choices else "a string")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self._code.options.get(name, default)
        if not isinstance(value, bool):
            self._wrong(name, "true or false")
        return value

    def number(self, name: str, default: int, least: int = 0) -> int:
        """A whole number of at least ``least``."""
        value = self._code.options.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self._wrong(name, f"a whole number of at least {least}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings; empty if it is not set."""
        value = self._code.options.get(name, ())
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            self._wrong(name, "a list of strings")
        return tuple(value)

    def mapping(self, name: str) -> dict[str, object]:
        """An object with string keys; empty if it is not set."""
        value = self._code.options.get(name, {})
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            self._wrong(name, "an object with string keys")
        return dict(value)
