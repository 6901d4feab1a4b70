"""One Helm template of all the forms that an installation has."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

Choice = frozenset[str]
"""The conditions that hold; the others do not."""

Conditions = Mapping[str, str]
"""A condition's name → Helm's expression for it."""


def choices(conditions: Conditions) -> list[Choice]:
    """Every combination."""
    names = list(conditions)
    sizes = range(len(names) + 1)
    return [frozenset(c) for size in sizes for c in itertools.combinations(names, size)]


def merged(form: Callable[[Choice], Mapping[str, str]], conditions: Conditions) -> str:
    """A template that gives each choice the texts that ``form`` has for it. What differs
    between choices stands in ``if`` blocks, line by line, so nothing is written twice."""
    forms = {choice: form(choice) for choice in choices(conditions)}
    keys = dict.fromkeys(key for one in forms.values() for key in one)
    lines: list[tuple[str, frozenset[Choice]]] = []
    for key in keys:
        texts = {choice: _pieces(one[key]) for choice, one in forms.items() if key in one}
        lines += _union(texts)
    return "".join(_blocks(lines, conditions))


def _pieces(text: str) -> list[str]:
    """Lines; but a rule of a role is one piece."""
    found: list[str] = []
    for part in re.split(r"^(?=- |\w)", text, flags=re.M):
        found += [part] if part.startswith("- apiGroups:") else part.splitlines(keepends=True)
    return found


def _union(texts: Mapping[Choice, Sequence[str]]) -> list[tuple[str, frozenset[Choice]]]:
    """Every line once, in an order that fits all texts, with the choices that have it. The
    longest text is first: it has most of the lines, in their order."""
    found: list[tuple[str, frozenset[Choice]]] = []
    for choice, text in sorted(texts.items(), key=lambda one: -len(one[1])):
        known = [line for line, _ in found]
        matcher = difflib.SequenceMatcher(a=known, b=text, autojunk=False)
        after: list[tuple[str, frozenset[Choice]]] = []
        for tag, a, b, c, d in matcher.get_opcodes():
            kept = found[a:b]
            if tag == "equal":
                after += [(line, of | {choice}) for line, of in kept]
            else:
                after += [*kept, *((line, frozenset({choice})) for line in text[c:d])]
        found = after
    return found


def _blocks(
    lines: Sequence[tuple[str, frozenset[Choice]]], conditions: Conditions
) -> Iterator[str]:
    for of, group in itertools.groupby(lines, key=lambda one: one[1]):
        text = "".join(line for line, _ in group)
        test = _expression(of, conditions)
        yield f"{{{{- if {test} }}}}\n{text}{{{{- end }}}}\n" if test else text


def _expression(of: frozenset[Choice], conditions: Conditions) -> str:
    """What is true for these choices and no others; empty if that is all of them."""
    wanted = [name for name in conditions if all(name in one for one in of)]
    unwanted = [name for name in conditions if not any(name in one for one in of)]
    free = len(conditions) - len(wanted) - len(unwanted)
    if len(of) != 2**free:
        raise AssertionError(f"no single test tells {sorted(map(sorted, of))} from the others")
    terms = [conditions[name] for name in wanted]
    terms += [f"(not {conditions[name]})" for name in unwanted]
    if len(terms) == 1:
        return re.sub(r"^\((.*)\)$", r"\1", terms[0])
    return " ".join(["and", *terms]) if terms else ""
