"""Compares a resource with the field lists: unknown fields, wrong types, missing fields.

A Kubernetes API server drops unknown fields and refuses wrong types; so unknown fields are
warnings here and wrong types errors. What is wrong is left out of the data handed on, so that
the checks that follow can go on with the rest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from umbel.graph.findings import Severity
from umbel.graph.yaml_paths import Path, path_text
from umbel.k8s.resources.field_types import Fields, FieldType, fields_of

QUANTITY = re.compile(
    r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
)
"""A Kubernetes quantity: ``500m``, ``1.5Gi``, ``2``."""

_RANGES = {"int32": 2**31, "int64": 2**63, "integer": 2**63}
_NOTHING = object()


@dataclass(frozen=True)
class FieldProblem:
    """Something the field lists do not allow, at ``path``."""

    severity: Severity
    code: str
    path: Path
    message: str
    fix: str


@dataclass
class FieldCheck:
    """The result: the data without what is wrong, and what was wrong."""

    clean: Any = None
    problems: list[FieldProblem] = field(default_factory=list)

    @property
    def broken(self) -> tuple[Path, ...]:
        """Where an error was found: findings at or below these places would only repeat it."""
        return tuple(problem.path for problem in self.problems if problem.severity == "error")


def check_fields(data: Any, type_name: str) -> FieldCheck:
    """Compare ``data`` with the type ``type_name`` of the field lists."""
    check = FieldCheck()
    clean = _value(check.problems, data, FieldType(type_name), ())
    check.clean = {} if clean is _NOTHING else clean
    return check


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, or nothing."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), list(names), n=1, cutoff=0.75)
    return names[found[0]] if found else ""


def shape_of(value: Any) -> str:
    """A value's type in YAML's words, with the value where it is short."""
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else "a mapping"


def _value(problems: list[FieldProblem], value: Any, kind: FieldType, path: Path) -> Any:
    """The value without what is wrong in it, or ``_NOTHING``. Null counts as not given."""
    if value is None:
        return _NOTHING
    if kind.form == "list":
        return _list(problems, value, kind, path)
    if kind.form == "map":
        return _map(problems, value, kind, path)
    fields = fields_of(kind.base)
    if fields:
        return _object(problems, value, fields, path)
    return _scalar(problems, value, kind, path)


def _list(problems: list[FieldProblem], value: Any, kind: FieldType, path: Path) -> Any:
    if not isinstance(value, list):
        return _wrong(problems, path, "a list", value, "start each entry with '- '")
    item = FieldType(kind.base, "one", kind.choices)
    cleaned = (_value(problems, entry, item, (*path, index)) for index, entry in enumerate(value))
    return [
        {} if entry is _NOTHING and fields_of(kind.base) else entry
        for entry in cleaned
        if entry is not _NOTHING or fields_of(kind.base)
    ]


def _map(problems: list[FieldProblem], value: Any, kind: FieldType, path: Path) -> Any:
    if not isinstance(value, dict):
        return _wrong(problems, path, "a mapping", value, "write 'name: value' lines below it")
    item = FieldType(kind.base, "one", kind.choices)
    cleaned = {key: _value(problems, entry, item, (*path, key)) for key, entry in value.items()}
    empty: Any = {} if fields_of(kind.base) else ""
    return {
        key: empty if value[key] is None else entry
        for key, entry in cleaned.items()
        if entry is not _NOTHING or value[key] is None or fields_of(kind.base)
    }


def _object(problems: list[FieldProblem], value: Any, fields: Fields, path: Path) -> Any:
    if not isinstance(value, dict):
        return _wrong(problems, path, "a mapping", value, "write 'field: value' lines below it")
    clean: dict[str, Any] = {}
    for key, entry in value.items():
        kind = fields.get(key)
        if kind is None:
            problems.append(_unknown(key, value, fields, path))
            continue
        cleaned = _value(problems, entry, kind, (*path, key))
        if cleaned is not _NOTHING:
            clean[key] = cleaned
    for key, kind in fields.items():
        if kind.required and value.get(key) is None:
            problems.append(
                FieldProblem(
                    "error",
                    "UMB-K018",
                    (*path, key),
                    f"{path_text((*path, key))} is required",
                    f"add '{key}:' here",
                )
            )
    return clean


def _unknown(key: str, given: dict[str, Any], fields: Fields, path: Path) -> FieldProblem:
    guess = closest(key, (name for name in fields if name not in given))
    homes = [
        path_text((*path, name, key))
        for name, kind in fields.items()
        if kind.form == "one" and key in fields_of(kind.base)
    ]
    present = [home for home in homes if home.split(".")[-2] in given]
    if present or (homes and not guess):
        fix = f"move it to {' or '.join((present or homes)[:3])}"
    elif guess:
        fix = f"did you mean {guess!r}?"
    else:
        fix = f"remove it; the fields here are: {', '.join(sorted(fields)[:40])}"
    message = (
        f"unknown field {path_text((*path, key))}: Kubernetes drops it and KServe goes on without"
    )
    return FieldProblem("warning", "UMB-K015", (*path, key), message, fix)


def _scalar(problems: list[FieldProblem], value: Any, kind: FieldType, path: Path) -> Any:
    base = kind.base
    if base == "any":
        return value
    if base in ("string", "enum"):
        return _text(problems, value, kind, path)
    if base == "boolean":
        if isinstance(value, bool):
            return value
        return _wrong(problems, path, "true or false", value, "write true or false, no quotes")
    if base in _RANGES:
        return _number(problems, value, base, path)
    if isinstance(value, str) and (base == "intstr" or QUANTITY.match(value)):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return _wrong(problems, path, "a quantity", value, "write a number with a unit, as 500m or 2Gi")


def _text(problems: list[FieldProblem], value: Any, kind: FieldType, path: Path) -> Any:
    if not isinstance(value, str):
        fix = f'put it in quotes: "{value}"'
        if isinstance(value, bool):
            fix = "put it in quotes (y, n, yes, no, on and off are booleans, too)"
        elif isinstance(value, (dict, list)):
            fix = "write one line of text"
        return _wrong(problems, path, "text", value, fix)
    if kind.choices and value not in kind.choices:
        guess = closest(value, kind.choices)
        allowed = ", ".join(choice or '""' for choice in kind.choices)
        problems.append(
            FieldProblem(
                "error",
                "UMB-K017",
                path,
                f"{path_text(path)} must be one of {allowed}; got {value!r}",
                f"did you mean {guess!r}?" if guess else f"use one of {allowed}",
            )
        )
        return _NOTHING
    return value


def _number(problems: list[FieldProblem], value: Any, base: str, path: Path) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        digits = isinstance(value, str) and re.match(r"^[+-]?\d+$", value)
        fix = "remove the quotes" if digits else "write a whole number"
        return _wrong(problems, path, "a whole number", value, fix)
    limit = _RANGES[base]
    if not -limit <= value < limit:
        return _wrong(problems, path, f"a number below {limit}", value, "write a smaller number")
    return value


def _wrong(problems: list[FieldProblem], path: Path, expected: str, value: Any, fix: str) -> Any:
    where = path_text(path) or "the document"
    message = f"{where} must be {expected}; got {shape_of(value)}"
    problems.append(FieldProblem("error", "UMB-K016", path, message, fix))
    return _NOTHING
