"""What looks wrong with a path, in words. gjson itself takes any text and finds nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from umbel.graph.conditions import multipaths, queries
from umbel.graph.conditions.components import Component, split
from umbel.graph.conditions.evaluation import split_modifier
from umbel.graph.conditions.limits import MAX_DEPTH
from umbel.graph.conditions.modifiers import MODIFIER_NAMES

_NESTED = 8
"""How deep paths inside paths are looked at."""

_JUNCTION = re.compile(rb"&&|\|\||(?<=\s)(?:and|or|AND|OR)(?=\s)")
_COMPARISON = re.compile(rb"(?<!\\)(==|!=|<=|>=|=|<|>)")
_SUBSCRIPT = re.compile(rb"(?<!\\)\[(\d+|\*|\?.*|'.*'|\".*\")\]?")
_MAKERS = (b"keys", b"values", b"tostr", b"dig")
_TILDES = (b"~true", b"~false", b"~null", b"~*")


def problems(path: str) -> list[str]:
    """Warnings about ``path``, each with what to write instead; empty if nothing stands out.

    Never raises. A path without warnings may still find nothing in a given document.
    """
    found = _path_problems(path.encode("utf-8", "surrogatepass"), 0, is_condition=True)
    return list(dict.fromkeys(found))


def _path_problems(path: bytes, level: int, *, is_condition: bool) -> Iterator[str]:
    if level > _NESTED:
        return
    if not path:
        yield 'the path is empty: it never matches, except an object\'s key ""'
        return
    components = split(path.removeprefix(b".."))
    if len(components) > MAX_DEPTH:
        yield f"the path has {len(components)} components; more than {MAX_DEPTH} never match"
    for index, component in enumerate(components):
        yield from _component_problems(component, level, is_first=index == 0)
    if is_condition:
        yield from _order_problems(path, components)
        yield from _always_true(components)


def _component_problems(component: Component, level: int, *, is_first: bool) -> Iterator[str]:
    text = component.text
    if component.kind == "broken":
        yield from _broken(text)
    elif component.kind == "query":
        yield from _query_problems(text, level)
    elif component.kind == "multipath":
        parsed = multipaths.selectors(text)
        for entry in parsed[0] if parsed else ():
            yield from _path_problems(entry.path, level + 1, is_condition=False)
    elif component.kind == "modifier":
        name, argument, _ = split_modifier(text)
        if name == b"dig":
            yield from _path_problems(argument, level + 1, is_condition=False)
    elif component.kind == "key":
        yield from _key_problems(text, is_first=is_first)


def _broken(text: bytes) -> Iterator[str]:
    if text.startswith(b"#"):
        yield (
            f"the query {_show(text)} is never closed: add its ')'. "
            "As it is, it matches the first item that is no object or array"
        )
    else:
        yield f"the multipath {_show(text)} is not closed, or followed by neither '.' nor '|'"


def _query_problems(text: bytes, level: int) -> Iterator[str]:
    query, end = queries.parse(text)
    written = text[2 : end - 1]
    own = query.value if b"(" in query.path else query.path + b" " + query.value
    junction = None if b'"' in written[-1:] else _JUNCTION.search(own)
    if junction:
        sign = junction.group().decode()
        yield (
            f"the query {_show(text)} has {sign!r}: gjson has no such operator, so all after the "
            f"comparison is one value. For 'and' put one query after the other, "
            f"#(a>1)#|#(b<2); for 'or' use two steps"
        )
    elif query.value[:1] == b"'" and query.value[-1:] == b"'":
        inner = query.value[1:-1].decode("utf-8", "replace")
        yield f'single quotes are part of the value {_show(query.value)}: write "{inner}"'
    elif query.value[:1] == b"~" and query.value not in _TILDES:
        yield f"the value {_show(query.value)} never matches: use ~true, ~false, ~null or ~*"
    elif query.operator == b"=" and query.value[:1] in (b"=", b"<", b">"):
        yield f"the value of {_show(text)} begins with {_show(query.value[:1])}: use =="
    if query.operator == b"!" or (not query.operator and query.value):
        yield f"'!' alone is no operator in {_show(text)}: use != or !%"
    if query.operator and not query.value and not written.rstrip().endswith(b'"'):
        yield f'the query {_show(text)} compares with nothing: write "" for an empty string'
    if text[end:] not in (b"", b"#"):
        yield f"{_show(text[end:])} after the query {_show(text[:end])} is ignored: put a '.' first"
    if query.path:
        yield from _path_problems(query.path, level + 1, is_condition=False)


def _key_problems(text: bytes, *, is_first: bool) -> Iterator[str]:
    subscript = _SUBSCRIPT.search(text)
    comparison = _COMPARISON.search(text)
    if is_first and text == b"$":
        yield "'$' is JSONPath: a gjson path begins with the first key; the root is @this"
    if not text:
        yield 'a component is empty: it matches only the key ""; look for a stray "."'
    elif text[:1] == b"@":
        names = ", ".join(f"@{name.decode()}" for name in sorted(MODIFIER_NAMES))
        yield f"{_show(text)} is no modifier, so it is taken for a key. Modifiers: {names}"
    elif text.strip() != text:
        yield f"the spaces around {_show(text.strip())} are part of the key {_show(text)}"
    if subscript:
        yield f"{_show(text)} is taken for a key: write items as name.0, queries as name.#(...)"
    elif comparison:
        yield (
            f"{_show(text)} is taken for a key: a comparison needs a query, "
            f"items.#(key=={_show(b'value')}), or [@this].#(...) for an object"
        )
    elif text[:1] == b"-" and text[1:].isdigit():
        yield f"{_show(text)} matches no item: there are no negative indices; use @reverse.0"
    if text[:1] == b"#" and len(text) > 1:
        yield f"{_show(text)} matches nothing: after '#' comes '.', '|' or a query"
    if len(text) - len(text.rstrip(b"\\")) & 1:
        yield f"the backslash that ends {_show(text)} escapes nothing"


def _order_problems(path: bytes, components: tuple[Component, ...]) -> Iterator[str]:
    """What is odd about one component after another."""
    first = components[0]
    if first.kind == "query" and not path.startswith(b".."):
        yield (
            f"the query {_show(first.text)} needs an array as the document: for an object write "
            f"[@this].{first.text.decode('utf-8', 'replace')}"
        )
    for before, after in pairwise(components):
        is_list = before.kind == "query" and before.text.endswith(b"#")
        is_name = after.kind == "key" and not after.text.isdigit() and after.text[:1] != b"#"
        if is_list and is_name and after.separator == b"|":
            yield f"'|{after.text.decode('utf-8', 'replace')}' looks for a key in an array: use '.'"


def _always_true(components: tuple[Component, ...]) -> Iterator[str]:
    """What exists whatever the document holds, and so makes no condition."""
    last = components[-1]
    shown = _show(last.text)
    name = split_modifier(last.text)[0] if last.kind == "modifier" else b""
    hashes = [c for c in components if c.text == b"#" and c.kind == "key"]
    lists = [c for c in components if c.kind == "query" and c.text.endswith(b")#")]
    piped = any(c.separator == b"|" or c.kind == "modifier" for c in components[1:])
    if last.kind in ("multipath", "literal") or name in _MAKERS:
        yield f"{shown} exists for every document: the condition is always true"
    elif lists and not piped:
        yield (
            f"{_show(lists[0].text)} gives [] without a match, which exists: the condition is "
            "true for every array. Drop the last '#', or end the path in |0"
        )
    elif hashes and not piped:
        yield "'#' exists for every array, empty or not: end the path in |0 to ask for an item"


def _show(text: bytes) -> str:
    shown = text.decode("utf-8", "replace")
    return repr(shown if len(shown) <= 80 else shown[:77] + "...")
