"""Evaluating a path on a document's text: finding keys and items, pipes, modifiers."""

from __future__ import annotations

from umbel.graph.conditions import limits, modifiers, multipaths, raw_json
from umbel.graph.conditions.limits import GaveUp
from umbel.graph.conditions.path_parts import (
    ItemPart,
    item_part,
    key_part,
    leading_block_end,
    split_at_pipe,
)
from umbel.graph.conditions.queries import Query
from umbel.graph.conditions.results import JsonType, Result
from umbel.graph.conditions.strings_in_json import unescape

_OBJECT, _ARRAY = b"{["
_BACKSLASH = b"\\"


def evaluate(document: bytes, path: bytes) -> Result:
    """What ``path`` finds in the document. Reaching a limit counts as finding nothing."""
    try:
        return _Evaluation(len(document)).get(document, path)
    except (GaveUp, RecursionError):
        return Result()


class _Evaluation:
    """One evaluation of a path, with what it may still cost."""

    def __init__(self, size: int) -> None:
        self.max_size = limits.MAX_GROWTH + 8 * size
        self.steps_left = limits.MAX_STEPS + size
        self.depth = 0

    def get(self, text: bytes, path: bytes) -> Result:
        self.steps_left -= 1
        if self.steps_left < 0 or self.depth >= limits.MAX_DEPTH:
            raise GaveUp
        self.depth += 1
        try:
            return self._get(text, path)
        finally:
            self.depth -= 1

    def _get(self, text: bytes, path: bytes) -> Result:
        """Apply the path's piped components one after the other."""
        while True:
            made = self._make(text, path) if len(path) > 1 and path[0] in b"@![{" else None
            if made is not None:
                text, rest, is_whole = made
                if len(text) > self.max_size:
                    raise GaveUp
                if rest[:1] not in (b"|", b"."):
                    return Result(JsonType.JSON, text) if is_whole else raw_json.parse(text)
                path = rest[1:]
                continue
            if len(path) > 1 and path[0] in b"[{":
                # What is left of a multipath gjson cannot read is taken for plain components.
                broken = multipaths.selectors(path)
                path = broken[1] if broken else b""
            walk = _Walk(self, text)
            walk.start(path)
            if walk.pipe is None:
                return walk.value
            text, path = walk.value.raw_bytes, walk.pipe

    def _make(self, text: bytes, path: bytes) -> tuple[bytes, bytes, bool] | None:
        """The JSON that the first component makes, the path after it, and whether it is whole."""
        if path[0] == ord("@"):
            modified = self._modify(text, path)
            return (*modified, False) if modified else None
        if path[0] == ord("!"):
            literal = multipaths.literal(path)
            return (*literal, False) if literal else None
        parsed = multipaths.selectors(path)
        if parsed is None or parsed[1][:1] not in (b"", b"|", b"."):
            return None
        entries, rest = parsed
        is_object = path[0] == _OBJECT
        parts = []
        for entry in entries:
            found = self.get(text, entry.path)
            if found.exists:
                parts.append((entry.key() + b":" if is_object else b"") + found.raw_bytes)
        body = b",".join(parts)
        return (b"{" + body + b"}" if is_object else b"[" + body + b"]"), rest, True

    def _modify(self, text: bytes, path: bytes) -> tuple[bytes, bytes] | None:
        name, argument, rest = split_modifier(path)
        if name == modifiers.DIG:
            return modifiers.dig(text, lambda inner: self.get(inner, argument)), rest
        modifier = modifiers.MODIFIERS.get(name)
        return (modifier(text, argument), rest) if modifier else None


class _Walk:
    """One pass over a text, up to the next pipe. ``value`` is what it found.

    ``pipe`` is the rest of the path that is to be applied to ``value``; gjson sets it when it
    gets as far as the pipe, whether or not the components before it find anything. Methods
    that walk return the position they reached and whether the walk is over.
    """

    def __init__(self, evaluation: _Evaluation, text: bytes) -> None:
        self.evaluation = evaluation
        self.text = text
        self.value = Result()
        self.pipe: bytes | None = None

    def start(self, path: bytes) -> None:
        if path.startswith(b".."):
            self._array(0, path[2:])
            return
        opener = raw_json.first_opener(self.text)
        if opener >= 0:
            self._block(opener, path)

    def _block(self, opener: int, path: bytes) -> tuple[int, bool]:
        if self.evaluation.depth >= limits.MAX_DEPTH:
            raise GaveUp
        self.evaluation.depth += 1
        inside = self._object if self.text[opener] == _OBJECT else self._array
        reached = inside(opener + 1, path)
        self.evaluation.depth -= 1
        return reached

    def _object(self, position: int, path: bytes) -> tuple[int, bool]:
        text, part = self.text, key_part(path)
        below = part.then.path
        self._expect(part.then.pipe)
        while True:
            quote = raw_json.KEY_OR_END.search(text, position)
            if quote is None or quote.group() == b"}":
                return quote.end() if quote else len(text), False
            end = raw_json.string_end(text, quote.end())
            start = raw_json.VALUE_START.search(text, end + 1) if end >= 0 else None
            if start is None:
                return len(text), False
            key, position = text[quote.end() : end], start.start()
            matched = part.matches(unescape(key) if _BACKSLASH in key else key)
            if matched and below is not None and start.group() in b"{[":
                position, is_over = self._block(position, below)
                if is_over:
                    return position, True
                continue
            end = raw_json.value_end(text, position)
            if end < 0:
                return len(text), False
            if matched and below is None:
                self.value = raw_json.value_at(text, position, end)
                return end, True
            position = end

    def _array(self, position: int, path: bytes) -> tuple[int, bool]:
        text, part = self.text, item_part(path)
        below = part.then.path
        self._expect(part.then.pipe)
        count = 0
        found: list[bytes] = []
        while True:
            start = raw_json.ITEM_OR_END.search(text, position)
            if start is None or start.group() == b"]":
                position = start.end() if start else len(text) + 1
                return position, self._end_array(part, count, found)
            position, matched = start.start(), part.index == count
            count += 1
            if matched and below is not None and start.group() in b"{[":
                position, is_over = self._block(position, below)
                if is_over:
                    return position, True
                continue
            end = raw_json.value_end(text, position)
            if end < 0:
                return len(text), False
            if part.needs_items or (matched and below is None):
                item = raw_json.value_at(text, position, end)
                if matched:
                    self.value = item
                if matched or self._take(part, item, found):
                    return end, True
            position = end

    def _take(self, part: ItemPart, item: Result, found: list[bytes]) -> bool:
        """Collect an item or put a query to it. True if it is the one the walk looked for."""
        query, below = part.query, part.then.path
        if query is not None and not self._accepts(query, item):
            return False
        if below is not None:
            path, pipe = split_at_pipe(below)
            if query is not None:
                self._expect(pipe)
            item = self.evaluation.get(item.raw_bytes, path)
        if query is None or query.all:
            found += [item.raw_bytes] if item.exists else []
            return False
        self.value = item
        return True

    def _accepts(self, query: Query, item: Result) -> bool:
        if item.type is JsonType.JSON:
            return query.accepts(self.evaluation.get(item.raw_bytes, query.path))
        return not query.path and query.accepts(item)

    def _end_array(self, part: ItemPart, count: int, found: list[bytes]) -> bool:
        if part.counts:
            self.value = Result(JsonType.NUMBER, b"%d" % count)
        elif part.collects:
            self._expect(split_at_pipe(part.then.path or b"")[1])
            self.value = Result(JsonType.JSON, b"[" + b",".join(found) + b"]")
        elif part.query is not None and part.query.all and not self.value.exists:
            self.value = Result(JsonType.JSON, b"[" + b",".join(found) + b"]")
        return part.counts or part.collects

    def _expect(self, pipe: bytes | None) -> None:
        self.pipe = self.pipe if pipe is None else pipe


def split_modifier(path: bytes) -> tuple[bytes, bytes, bytes]:
    """Name, argument and rest of a path that begins with ``@``."""
    end = min((at for at in map(path.find, (b":", b"|", b".")) if at >= 0), default=len(path))
    name, rest = path[1:end], path[end:]
    if not rest.startswith(b":"):
        return name, b"", rest
    rest = rest[1:]
    if rest[:1] in (b"{", b"[", b'"'):
        position = leading_block_end(rest)
    else:
        position = 0
        while position < len(rest) and rest[position] != ord("|"):
            opens = rest[position] in b'{["('
            position += leading_block_end(rest[position:]) if opens else 1
    return name, rest[:position], rest[position:]
