"""As much of Helm's templates as umbel's chart uses. The tests with a real Helm compare the same
choices; these run where there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BLOCK = re.compile(r"^\s*\{\{- (if|range|end)\b ?(.*?) ?\}\}$")
_VALUE = re.compile(r"\{\{ (.*?) \}\}")


def rendered(template: str, values: Mapping[str, Any], namespace: str) -> str:
    """``{{- if … }}``, ``{{- range … }}`` and ``{{- end }}`` on lines of their own, values and
    ``default`` in between."""
    return "".join(_lines(iter(template.splitlines()), Scope(values, namespace)))


class Scope:
    """What expressions see."""

    def __init__(self, values: Mapping[str, Any], namespace: str, item: Any = None) -> None:
        self._values, self._namespace, self._item = values, namespace, item

    def of(self, item: Any) -> Scope:
        return Scope(self._values, self._namespace, item)

    def value(self, expression: str) -> Any:
        first, *filters = (one.split() for one in expression.split(" | "))
        found = self._evaluated(first)
        for name, *words in filters:
            if name == "default":
                found = found or self._evaluated(words)
            else:
                assert name == "quote", expression
                found = json.dumps(found)
        return found

    def _evaluated(self, words: list[str]) -> Any:
        tokens = re.findall(r'\(|\)|"[^"]*"|[^\s()]+', " ".join(words))
        return self._call(iter([*tokens, ")"]))

    def _call(self, tokens: Iterator[str]) -> Any:
        found = []
        for token in tokens:
            if token == ")":
                break
            found.append(self._call(tokens) if token == "(" else self._named(token))
        name, *arguments = found
        if name == "not":
            return not arguments[0]
        if name == "and":
            return all(arguments)
        if name == "eq":
            return arguments[0] == arguments[1]
        assert not arguments, found
        return name

    def _named(self, token: str) -> Any:
        if token.startswith('"'):
            return json.loads(token)
        if token == ".":
            return self._item
        if token == ".Release.Namespace":
            return self._namespace
        if token.startswith(".Values."):
            return self._values[token.removeprefix(".Values.")]
        assert token in ("not", "and", "eq"), token
        return token


def _lines(lines: Iterator[str], scope: Scope) -> Iterator[str]:
    for line in lines:
        found = _BLOCK.match(line)
        if found is None:
            yield _VALUE.sub(lambda one: str(scope.value(one[1])), line) + "\n"
            continue
        kind, expression = found[1], found[2]
        if kind == "end":
            return
        body = list(_body(lines))
        value = scope.value(expression)
        for one in value if kind == "range" else [None] * bool(value):
            yield from _lines(iter(body), scope.of(one) if kind == "range" else scope)


def _body(lines: Iterator[str]) -> Iterator[str]:
    """Up to the ``end`` of the block that has begun."""
    depth = 1
    for line in lines:
        found = _BLOCK.match(line)
        depth += 0 if found is None else -1 if found[1] == "end" else 1
        if not depth:
            return
        yield line
    raise AssertionError("a block without an end")
