"""Triton's ``config.pbtxt``: what a model repository says of a model.

The file is protobuf's text form. It is read without the schema: names, values and blocks, which
is all that its meaning here needs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from umbel.graph.errors import DeclarationError

Block = dict[str, list[Any]]
"""Field → its values in order; a value is a text, a number as text, or a block."""

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<mark>[{}\[\]<>:,;])|(?P<word>[A-Za-z0-9_.+\-/]+)"""
)
_CLOSING = {"{": "}", "<": ">"}

_DTYPES = {
    "TYPE_BOOL": "bool",
    "TYPE_FP16": "float16",
    "TYPE_FP32": "float32",
    "TYPE_FP64": "float64",
    "TYPE_STRING": "str",
    **{f"TYPE_INT{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"TYPE_UINT{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True)
class TritonTensor:
    """An input or output. ``dims`` has the batch's axis where the model has one; -1 is free."""

    name: str
    dtype: str | None
    dims: tuple[int, ...] | None


@dataclass(frozen=True)
class TritonConfig:
    """``engine``: ``platform`` or ``backend``; empty where Triton finds out by itself."""

    name: str = ""
    engine: str = ""
    file: str = ""
    inputs: tuple[TritonTensor, ...] = ()
    outputs: tuple[TritonTensor, ...] = ()
    versions: tuple[int, ...] = ()
    """The versions that are served, where the policy names them."""


def read_config(text: str, where: str) -> TritonConfig:
    """The configuration that ``text`` holds. Raises DeclarationError with the line."""
    block = _Reader(text, where).block("")
    batched = int(_word(block, "max_batch_size") or 0) > 0
    policies = _blocks(block, "version_policy")
    specific = [one for policy in policies for one in _blocks(policy, "specific")]
    return TritonConfig(
        name=_word(block, "name"),
        engine=_word(block, "backend") or _word(block, "platform"),
        file=_word(block, "default_model_filename"),
        inputs=tuple(_tensor(one, batched) for one in _blocks(block, "input")),
        outputs=tuple(_tensor(one, batched) for one in _blocks(block, "output")),
        versions=tuple(int(v) for one in specific for v in one.get("versions", ())),
    )


def _tensor(block: Block, batched: bool) -> TritonTensor:
    dims = tuple(int(value) for value in block.get("dims", ()) if isinstance(value, str))
    whole = (-1, *dims) if batched else dims
    return TritonTensor(_word(block, "name"), _DTYPES.get(_word(block, "data_type")), whole or None)


def _word(block: Block, name: str) -> str:
    values = [value for value in block.get(name, ()) if isinstance(value, str)]
    return values[-1] if values else ""


def _blocks(block: Block, name: str) -> list[Block]:
    return [value for value in block.get(name, ()) if isinstance(value, dict)]


class _Reader:
    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        self._tokens = list(self._split())
        self._next = 0

    def _split(self) -> Iterator[tuple[str, int]]:
        at = 0
        while at < len(self._text):
            found = _TOKEN.match(self._text, at)
            if found is None:
                raise self._error(f"unexpected {self._text[at]!r}", at)
            if found.lastgroup:
                yield found.group(), at
            at = found.end()

    def _error(self, said: str, at: int) -> DeclarationError:
        line = self._text.count("\n", 0, at) + 1
        return DeclarationError(f"{self._where}:{line}: {said}: this is no Triton configuration")

    def _take(self) -> tuple[str, int]:
        if self._next >= len(self._tokens):
            raise self._error("the file ends too early", len(self._text))
        self._next += 1
        return self._tokens[self._next - 1]

    def _peek(self) -> str:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else ""

    def block(self, closing: str) -> Block:
        """Fields up to ``closing``, or to the end of the file."""
        found: Block = {}
        while self._peek() != closing:
            name, at = self._take()
            if not re.fullmatch(r"\w+", name):
                raise self._error(f"expected a field's name, got {name!r}", at)
            if self._peek() == ":":
                self._take()
            found.setdefault(name, []).extend(self._values())
            if self._peek() in (",", ";"):
                self._take()
        if closing:
            self._take()
        return found

    def _values(self) -> Iterator[Any]:
        if self._peek() != "[":
            yield self._value()
            return
        self._take()
        while self._peek() != "]":
            yield self._value()
            if self._peek() == ",":
                self._take()
        self._take()

    def _value(self) -> Any:
        word, at = self._take()
        if word in _CLOSING:
            return self.block(_CLOSING[word])
        if word[0] in "\"'":
            whole = str(ast.literal_eval(word))
            while self._peek()[:1] in ("'", '"') and self._peek():
                whole += str(ast.literal_eval(self._take()[0]))
            return whole
        if word in "}]>:,;":
            raise self._error(f"expected a value, got {word!r}", at)
        return word
