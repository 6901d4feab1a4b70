"""Text from a causal language model, piece by piece as its tokens come.

Answers under way share the calls of the model (``huggingface_decoding``). None waits for its
reader, and each ends at its next token when its reader has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import transformers

from umbel.nodes.huggingface_batch import NextToken, batches
from umbel.nodes.huggingface_decoding import Decoding, Wanted
from umbel.nodes.text_pieces import Decoder, StopText

AT_ONCE = 16
"""Answers that share the calls of a model, unless a setting says otherwise."""


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


class TextGenerator:
    """A model with its tokenizer. ``at_once`` answers are made at the same time, at most."""

    def __init__(self, model: Any, tokenizer: Any, at_once: int = AT_ONCE) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._decoding = Decoding(model, at_once if at_once > 1 and batches(model) else 1)
        ends = model.generation_config.eos_token_id
        self._ends = frozenset([] if ends is None else [ends] if isinstance(ends, int) else ends)
        pad = tokenizer.pad_token_id
        self._pad = next(iter(self._ends), None) if pad is None else pad

    @property
    def at_once(self) -> int:
        """How many answers are made at the same time; 1 for a model that cannot be batched."""
        return self._decoding.most

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
        run = _Run(self._tokenizer, sampling.stops)
        choose = functools.partial(self._next_token, prompt, sampling)
        alone = functools.partial(self._generate, list(prompt), sampling, run)
        self._decoding.add(Wanted(run, prompt, choose, alone))
        try:
            while isinstance(piece := await run.made.get(), Piece):
                yield piece
                if piece.finish_reason:
                    return
            raise piece
        finally:
            run.unwanted = True

    def _next_token(self, prompt: Sequence[int], sampling: Sampling) -> NextToken | None:
        if self.at_once == 1:
            return None
        arguments = {**_arguments(sampling), "pad_token_id": self._pad}
        seed = None if sampling.seed is None else sampling.seed % 2**32
        return NextToken.of(self._model, prompt, arguments, seed)

    def _generate(self, prompt: list[int], sampling: Sampling, run: _Run) -> None:
        given = transformers.BatchEncoding(
            {"input_ids": [prompt], "attention_mask": [[1] * len(prompt)]}, tensor_type="pt"
        ).to(self._model.device)
        if sampling.seed is not None:
            transformers.set_seed(sampling.seed % 2**32)
        self._model.generate(
            **given,
            **_arguments(sampling),
            pad_token_id=self._pad,
            streamer=_Streamer(run),
            stopping_criteria=transformers.StoppingCriteriaList([run.ended]),
        )
        run.finish(self._ends)


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
    """One answer while it is made: turns tokens into pieces and tells its reader's loop."""

    def __init__(self, tokenizer: Any, stops: tuple[str, ...]) -> None:
        self.made: asyncio.Queue[Piece | BaseException] = asyncio.Queue()
        self.unwanted = False
        self._loop = asyncio.get_running_loop()
        self._text, self._stop = Decoder(tokenizer), StopText(stops)
        self._last, self._tokens = -1, 0

    @property
    def over(self) -> bool:
        """Whether the reader has gone, or a stop was found."""
        return self.unwanted or self._stop.found

    def token(self, token: int) -> None:
        """The next token."""
        self._tokens, self._last = self._tokens + 1, token
        text = self._text.feed(token)
        if not self._stop.found and (settled := self._stop.feed(text)):
            self._tell(Piece(settled, self._tokens))

    def ended(self, ids: Any, scores: Any, **_: Any) -> Any:
        """Whether ``generate`` is to stop, for each row of ``ids``."""
        return ids.new_full((ids.shape[0],), self.over, dtype=(ids < 0).dtype)

    def finish(self, ends: frozenset[int]) -> None:
        """The last piece."""
        text = "" if self._stop.found else self._stop.feed(self._text.rest()) + self._stop.rest()
        reason: Any = "stop" if self._stop.found or self._last in ends else "length"
        self._tell(Piece(text, self._tokens, reason))

    def fail(self, error: BaseException) -> None:
        """There is no answer."""
        self._tell(error)

    def _tell(self, piece: Piece | BaseException) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(self.made.put_nowait, piece)


class _Streamer:
    """What ``generate`` calls a streamer: it hands over the prompt, then each token."""

    def __init__(self, run: _Run) -> None:
        self._run, self._prompt = run, True

    def put(self, value: Any) -> None:
        """The prompt or a token."""
        if self._prompt:
            self._prompt = False
            return
        for token in value.reshape(-1).tolist():
            self._run.token(token)

    def end(self) -> None:
        """``generate`` has ended."""
