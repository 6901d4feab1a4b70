"""From tokens to text that is settled: letters of several tokens, and texts that end an answer."""

from __future__ import annotations

from typing import Any

LONGEST_LETTER = 8
"""Tokens after which text that is no UTF-8 is told as it is: a letter has four bytes, some
emoji a few letters."""


class Decoder:
    """Tokens to text, in steps: the text of a token depends on those before it, and a letter
    may take several tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._context = self._told = 0  # from where is decoded, up to where is told

    def feed(self, token: int) -> str:
        """The text that is settled with this token."""
        self._ids.append(token)
        text = self._new()
        unfinished = len(self._ids) - self._told < LONGEST_LETTER
        if not text or (unfinished and text.endswith("\N{REPLACEMENT CHARACTER}")):
            return ""
        self._context, self._told = self._told, len(self._ids)
        return text

    def rest(self) -> str:
        """What no further token can complete."""
        return self._new()

    def _new(self) -> str:
        known = self._decoded(self._ids[self._context : self._told])
        return self._decoded(self._ids[self._context :])[len(known) :]

    def _decoded(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text


class StopText:
    """Holds back what may be the beginning of a text that ends the answer."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.found = False

    def feed(self, text: str) -> str:
        """What is settled now. Nothing more once a stop was ``found``."""
        self._held += text
        places = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if places:
            self.found = True
            settled, self._held = self._held[: min(places)], ""
            return settled
        keep = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        cut = len(self._held) - keep
        settled, self._held = self._held[:cut], self._held[cut:]
        return settled

    def rest(self) -> str:
        """What was held back and is no stop."""
        return "" if self.found else self._held


def _overlap(text: str, stop: str) -> int:
    """How many of the last letters of ``text`` are the first of ``stop``."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
