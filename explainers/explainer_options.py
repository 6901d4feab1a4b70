"""Reads what an author or a caller asks of an explainer: every mistake at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from umbel.explainers.method import CALLERS_LIMITS, LIMITS, Method, Option
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.nodes.descriptions import clip

PICTURES = ("svg", "png")

PICTURE = Option("text", "a picture beside the explanation", choices=PICTURES)


def authors_options(method: Method, given: Mapping[str, object]) -> dict[str, Any]:
    """The author's settings, checked. Raises ``DeclarationError`` with all mistakes."""
    found, mistakes = _read(method.known(), given, f"explainer {method.name!r}: setting")
    if mistakes:
        raise DeclarationError("; ".join(mistakes))
    return found


def callers_options(method: Method, own: Mapping[str, Any], given: object) -> dict[str, Any]:
    """The author's settings with what the caller asks for this one explanation. Limits may be
    lowered only. Raises ``InvalidInput`` with all mistakes."""
    if given is None:
        return dict(own)
    if not isinstance(given, Mapping):
        raise InvalidInput(f"parameters: expected an object, got {type(given).__name__}")
    known = {
        **method.parameters,
        **{name: LIMITS[name] for name in CALLERS_LIMITS},
        "picture": PICTURE,
    }
    found, mistakes = _read(known, given, "parameter")
    if mistakes:
        raise InvalidInput("; ".join(mistakes))
    lowered = {
        name: min(found[name], own[name])
        for name in CALLERS_LIMITS
        if name in found and name in own
    }
    return {**own, **found, **lowered}


def from_texts(method: Method, given: Mapping[str, str]) -> dict[str, object]:
    """Settings whose values are texts, as KServe's ``config`` has them, in their own types. What
    cannot be read stays a text, for the check to name."""
    known = method.known()
    return {
        name: _from_text(known[name], text) if name in known else text
        for name, text in given.items()
    }


def _from_text(option: Option, text: str) -> object:
    plain = text.strip()
    try:
        if option.kind == "number":
            return float(plain)
        if option.kind == "whole":
            return int(plain)
        if option.kind in ("any", "object"):
            return json.loads(plain)
        if option.kind in ("numbers", "texts"):
            words = [word.strip() for word in plain.strip("[]()").split(",") if word.strip()]
            return words if option.kind == "texts" else [_number(word) for word in words]
    except ValueError:
        return text
    if option.kind == "flag" and plain.lower() in ("true", "false"):
        return plain.lower() == "true"
    return text


def _number(word: str) -> float:
    return float(word) if set(word) & set(".eE") else int(word)


def _read(
    known: Mapping[str, Option], given: Mapping[Any, object], what: str
) -> tuple[dict[str, Any], list[str]]:
    found: dict[str, Any] = {}
    mistakes = []
    for name, value in given.items():
        option = known.get(name)
        if option is None:
            mistakes.append(f"{what} {clip(str(name))!r} is not known; there are {_listed(known)}")
            continue
        if value is None:
            continue
        problem = _problem(option, value)
        if problem:
            mistakes.append(f"{what} {name!r} is {problem}, not {clip(repr(value))}")
        else:
            found[name] = value
    return found, mistakes


def _problem(option: Option, value: object) -> str:
    """What the value should have been, or an empty text."""
    fits, expected = _KINDS[option.kind]
    if not fits(value):
        return expected
    if option.choices and value not in option.choices:
        return f"one of {', '.join(option.choices)}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if option.least is not None and value < option.least:
            return f"{expected} of at least {option.least:g}"
        if option.most is not None and value > option.most:
            return f"{expected} of at most {option.most:g}"
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _all(value: object, fits: Callable[[object], bool]) -> bool:
    return isinstance(value, (list, tuple)) and all(fits(item) for item in value)


_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "number": (_is_number, "a number"),
    "whole": (_is_whole, "a whole number"),
    "flag": (lambda value: isinstance(value, bool), "true or false"),
    "text": (lambda value: isinstance(value, str), "a text"),
    "texts": (lambda v: _all(v, lambda item: isinstance(item, str)), "a list of texts"),
    "numbers": (lambda v: _all(v, _is_number), "a list of numbers"),
    "object": (lambda value: isinstance(value, Mapping), "an object"),
    "any": (lambda value: True, "anything"),
}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
