"""Text from a causal language model, piece by piece as its tokens come.

One generation at a time: transformers' ``generate`` takes the model and the process's random
state for itself. It runs in a thread of its own, never waits for its reader, and ends at its
next token when the reader has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import transformers


@dataclass(frozen=True)
class Sampling:
    """How one answer is drawn. ``temperature`` 0 takes the likeliest token each time; ``None``
    leaves it to ``arguments``, further arguments of ``generate``."""

    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stops: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Piece(NamedTuple):
    """Text that is settled. The last piece says why the answer ends; ``tokens`` counts all the
    tokens of the answer so far."""

    text: str
    tokens: int
    finish_reason: Literal["stop", "length"] | None = None


LONGEST_LETTER = 8
"""Tokens after which text that is no UTF-8 is told as it is: a letter has four bytes, some
emoji a few letters."""


class TextGenerator:
    """A model with its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._turn = threading.Lock()
        ends = model.generation_config.eos_token_id
        self._ends = frozenset([] if ends is None else [ends] if isinstance(ends, int) else ends)
        pad = tokenizer.pad_token_id
        self._pad = next(iter(self._ends), None) if pad is None else pad

    @property
    def longest(self) -> int | None:
        """Tokens of a prompt with its answer, at most; ``None`` where nothing tells."""
        found = getattr(self._model.config, "max_position_embeddings", None)
        return found if isinstance(found, int) else None

    def tokens(self, text: str) -> list[int]:
        """The ids of a text's tokens."""
        ids: list[int] = self._tokenizer(text)["input_ids"]
        return ids

    async def run(self, prompt: Sequence[int], sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """The pieces of one answer to a prompt of at least one token."""
        run = _Run(self._tokenizer, sampling.stops, len(prompt))
        thread = threading.Thread(
            target=self._generate,
            args=(list(prompt), sampling, run),
            name="umbel-generate",
            daemon=True,
        )
        thread.start()
        try:
            while isinstance(piece := await run.made.get(), Piece):
                yield piece
                if piece.finish_reason:
                    return
            raise piece
        finally:
            run.unwanted = True

    def _generate(self, prompt: list[int], sampling: Sampling, run: _Run) -> None:
        try:
            with self._turn:
                if run.unwanted:
                    return
                given = transformers.BatchEncoding(
                    {"input_ids": [prompt], "attention_mask": [[1] * len(prompt)]},
                    tensor_type="pt",
                ).to(self._model.device)
                if sampling.seed is not None:
                    transformers.set_seed(sampling.seed % 2**32)
                self._model.generate(
                    **given,
                    **_arguments(sampling),
                    pad_token_id=self._pad,
                    streamer=run,
                    stopping_criteria=transformers.StoppingCriteriaList([run.ended]),
                )
            run.finish(self._ends)
        except BaseException as error:
            run.tell(error)


def _arguments(sampling: Sampling) -> dict[str, Any]:
    asked: dict[str, Any] = {**sampling.arguments, "max_new_tokens": sampling.max_tokens}
    if sampling.temperature == 0:
        for name in ("temperature", "top_p", "top_k"):
            asked.pop(name, None)
        asked["do_sample"] = False
        return asked
    if sampling.temperature is not None:
        asked.update(do_sample=True, temperature=sampling.temperature)
    if sampling.top_p is not None:
        asked["top_p"] = sampling.top_p
        asked.setdefault("do_sample", True)
    return asked


class _Run:
    """One answer while it is made: what ``generate`` calls a streamer."""

    def __init__(self, tokenizer: Any, stops: tuple[str, ...], prompt: int) -> None:
        self.made: asyncio.Queue[Piece | BaseException] = asyncio.Queue()
        self.unwanted = False
        self._loop = asyncio.get_running_loop()
        self._text, self._stop = _Decoder(tokenizer), _StopText(stops)
        self._prompt, self._last = prompt, -1
        self._tokens = 0

    def put(self, value: Any) -> None:
        """``generate`` hands over the prompt, then each token."""
        ids = value.reshape(-1).tolist()
        if self._prompt:
            self._prompt = 0
            return
        for token in ids:
            self._tokens, self._last = self._tokens + 1, token
            self._say(self._text.feed(token))

    def end(self) -> None:
        """``generate`` has ended."""

    def ended(self, ids: Any, scores: Any, **_: Any) -> Any:
        """Whether to stop, for each row of ``ids``."""
        stop = self.unwanted or self._stop.found
        return ids.new_full((ids.shape[0],), stop, dtype=(ids < 0).dtype)

    def finish(self, ends: frozenset[int]) -> None:
        """The last piece."""
        text = "" if self._stop.found else self._stop.feed(self._text.rest()) + self._stop.rest()
        reason: Any = "stop" if self._stop.found or self._last in ends else "length"
        self.tell(Piece(text, self._tokens, reason))

    def tell(self, piece: Piece | BaseException) -> None:
        """Hand something to the reader, on its loop."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(self.made.put_nowait, piece)

    def _say(self, text: str) -> None:
        if not self._stop.found and (settled := self._stop.feed(text)):
            self.tell(Piece(settled, self._tokens))


class _Decoder:
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


class _StopText:
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
