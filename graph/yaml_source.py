"""Reads YAML the way Kubernetes does, and remembers the line of every value.

Kubernetes tools read YAML through sigs.k8s.io/yaml: YAML 1.1 scalars (``yes`` and ``on`` are
booleans, sexagesimal numbers and dates stay strings), keys become strings, and the stream is
cut at lines that start with ``---``. The same is done here, so that a file means to umbel what
it means to a cluster; what a cluster reads silently in a surprising way is a finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from umbel.graph.findings import Finding, Place
from umbel.graph.yaml_paths import PathPart, parse_path, path_text
from umbel.graph.yaml_scalars import key_text, scalar

MAX_VALUES = 500_000
"""Values one document may hold after its aliases are expanded (an alias bomb has more)."""

MAX_DEPTH = 200
"""Nesting a document may have. Deeper than any resource, well inside Python's own limit."""

_BREAK = re.compile(r"^---(?=\s|$)", re.MULTILINE)

_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True)
class _Spot:
    """A value, the line it starts on, and the same for everything inside it."""

    value: Any
    line: int
    inside: Mapping[PathPart, _Spot] = field(default_factory=dict)
    size: int = 1

    def at(self, line: int) -> _Spot:
        return _Spot(self.value, line, self.inside, self.size)


@dataclass(frozen=True)
class Document:
    """One YAML document (or one item of a ``kind: List``) as plain Python data.

    ``index`` counts documents in the file from 0. ``data`` may share parts where the file used
    an alias: read it, do not change it.
    """

    file: str
    index: int
    data: Any
    _root: _Spot = field(repr=False, compare=False)

    def place(self, path: str | Sequence[PathPart] = "") -> Place:
        """Where ``path`` stands; the nearest enclosing value's line if it is not there.

        ``path`` is ``spec.nodes.root.steps[1].condition``, a key that holds a dot is written
        ``metadata.annotations["umbel.dev/x"]``; or a tuple of keys and indexes.
        """
        parts = parse_path(path) if isinstance(path, str) else tuple(path)
        spot = self._root
        for part in parts:
            if part not in spot.inside:
                break
            spot = spot.inside[part]
        return Place(self.file, spot.line, path_text(parts), self.index)


def read_documents(text: str, file: str) -> tuple[list[Document], list[Finding]]:
    """Every document of ``text``, and a finding for each that cannot be read.

    Empty documents are skipped and lists of resources (``kind: List``) are taken apart. A
    broken document does not hide the others.
    """
    documents: list[Document] = []
    findings: list[Finding] = []
    for index, (offset, chunk) in enumerate(_chunks(text)):
        builder = _Builder(file, index, offset, findings)
        for root in builder.roots(chunk):
            if root.value is not None:
                documents.extend(_expand(file, index, root))
    return documents, findings


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """The documents of a stream with the number of lines before each."""
    text = text.removeprefix("\ufeff")
    starts = [match.start() for match in _BREAK.finditer(text)]
    if starts and all(
        not line.strip() or line.startswith(("%", "#")) for line in text[: starts[0]].splitlines()
    ):
        starts[0] = 0
    elif not starts or starts[0] != 0:
        starts.insert(0, 0)
    for begin, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield text.count("\n", 0, begin), text[begin:end]


def _expand(file: str, index: int, root: _Spot) -> Iterator[Document]:
    data = root.value
    if isinstance(data, dict) and str(data.get("kind", "")).endswith("List"):
        items = root.inside.get("items")
        if items is not None and isinstance(items.value, list):
            for spot in items.inside.values():
                if spot.value is not None:
                    yield from _expand(file, index, spot)
            return
    yield Document(file, index, data, root)


class _Unreadable(Exception):
    """A document that parses but cannot be taken over: (line, code, message, fix)."""


class _Builder:
    """Turns the events of one document into data; aliases share what their anchor built."""

    def __init__(self, file: str, index: int, offset: int, findings: list[Finding]) -> None:
        self.file, self.index, self.offset, self.findings = file, index, offset, findings
        self.anchors: dict[str, _Spot | None] = {}
        self.events: Iterator[Any] = iter(())

    def roots(self, chunk: str) -> list[_Spot]:
        self.events = iter(yaml.parse(chunk, Loader=_Loader))
        found: list[_Spot] = []
        try:
            for event in self.events:
                if isinstance(event, yaml.DocumentStartEvent):
                    self.anchors = {}
                elif isinstance(event, yaml.NodeEvent):
                    found.append(self.spot(event, 0))
            return found
        except _Unreadable as problem:
            self.report(*problem.args)
        except yaml.YAMLError as error:
            self.report(*self.syntax(error, chunk))
        except ValueError as error:
            self.report(1, "UMB-K002", f"the document cannot be read: {error}", "save it as UTF-8")
        return []

    def report(self, line: int, code: str, message: str, fix: str) -> None:
        place = Place(self.file, line + self.offset if line else 0, "", self.index)
        self.findings.append(Finding("error", code, message, place, fix))

    def syntax(self, error: yaml.YAMLError, chunk: str) -> tuple[int, str, str, str]:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 1 if mark else 1
        position = getattr(error, "position", None)
        if mark is None and isinstance(position, int):
            line = chunk.count("\n", 0, position) + 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "broken"
        context = getattr(error, "context", None)
        message = f"this is not YAML: {problem}" + (f" ({context})" if context else "")
        shown = chunk.splitlines()[line - 1].strip() if line <= len(chunk.splitlines()) else ""
        fix = (
            f"look at this line and the one above: {shown[:80]!r}"
            if shown
            else ("a bracket or quote is not closed before the end of the document")
        )
        if "\t" in chunk and "start any token" in problem:
            fix = f"indent with spaces, YAML allows no tabs: {shown[:80]!r}"
        return line, "UMB-K001", message, fix

    def spot(self, event: Any, depth: int) -> _Spot:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event.anchor or "", line)
        if depth > MAX_DEPTH:
            raise _Unreadable(
                line,
                "UMB-K003",
                f"nested more than {MAX_DEPTH} levels deep",
                "flatten the document",
            )
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.MappingStartEvent):
            spot = self.mapping(line, depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            spot = self.sequence(line, depth)
        else:
            tag = "?" if event.tag is None and event.implicit[0] else event.tag or "!"
            spot = _Spot(scalar(event.value, tag), line + self.offset)
        if spot.size > MAX_VALUES:
            raise _Unreadable(
                line,
                "UMB-K003",
                f"more than {MAX_VALUES} values once its aliases are expanded (here {spot.size})",
                "write fewer or smaller aliases",
            )
        if event.anchor:
            self.anchors[event.anchor] = spot
        return spot

    def alias(self, name: str, line: int) -> _Spot:
        spot = self.anchors.get(name)
        if spot is not None:
            return spot
        if name in self.anchors:
            raise _Unreadable(
                line,
                "UMB-K003",
                f"alias *{name} stands inside the value it refers to",
                "write the value out instead of the alias",
            )
        raise _Unreadable(
            line,
            "UMB-K001",
            f"this is not YAML: there is no anchor &{name} for alias *{name}",
            "quote a value that starts with *"
            if not self.anchors
            else f"define &{name} above, or use one of: {', '.join(sorted(self.anchors))}",
        )

    def sequence(self, line: int, depth: int) -> _Spot:
        spots: list[_Spot] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            spots.append(self.spot(event, depth + 1))
        size = 1 + sum(spot.size for spot in spots)
        values = [spot.value for spot in spots]
        return _Spot(values, line + self.offset, dict(enumerate(spots)), size)

    def mapping(self, line: int, depth: int) -> _Spot:
        inside: dict[PathPart, _Spot] = {}
        merged: dict[PathPart, _Spot] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            at = event.start_mark.line + 1
            key = self.key(event, depth)
            value = self.spot(next(self.events), depth + 1)
            if key is None:
                merged = {**self.merge(value), **merged}
                continue
            if key in inside:
                self.report(
                    at,
                    "UMB-K004",
                    f"key {key!r} stands twice in one mapping (first in line {inside[key].line}); "
                    "kubectl refuses this, and older tools silently keep the last one",
                    "remove one of the two",
                )
            inside[key] = value.at(at + self.offset)
        inside = {**merged, **inside}
        size = 1 + sum(spot.size for spot in inside.values())
        values = {key: spot.value for key, spot in inside.items()}
        return _Spot(values, line + self.offset, inside, size)

    def key(self, event: Any, depth: int) -> str | None:
        """A mapping's key as text; None for the merge key ``<<``."""
        if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            return None
        spot = self.spot(event, depth + 1)
        if isinstance(spot.value, (dict, list)):
            raise _Unreadable(
                event.start_mark.line + 1,
                "UMB-K002",
                "a key must be a word, not a list or a mapping",
                "quote the key, or put a template ({{ }}) in quotes",
            )
        return key_text(spot.value)

    def merge(self, value: _Spot) -> dict[PathPart, _Spot]:
        """What ``<<`` brings in: a mapping's keys, or a list's, the first of a name winning."""
        if isinstance(value.value, dict):
            return dict(value.inside)
        found: dict[PathPart, _Spot] = {}
        for spot in value.inside.values():
            found = {**spot.inside, **found}
        return found
