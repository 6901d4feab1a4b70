"""Who is answered when: one thread calls the model for all answers that are wanted.

Each call of the model gives every answer under way its next token. New ones join between two
calls, ended and abandoned ones leave. What needs ``generate`` itself waits for the others to
end, and is alone then; those who come later wait behind it.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from umbel.nodes.huggingface_batch import Batch, NextToken, as_list, inference, no_token


class Reader(Protocol):
    """Who wants an answer."""

    @property
    def over(self) -> bool:
        """Whether no further token is wanted."""

    def token(self, token: int) -> None:
        """The next token."""

    def finish(self, ends: frozenset[int]) -> None:
        """That was the last token. ``ends`` are those that end an answer."""

    def fail(self, error: BaseException) -> None:
        """There is no answer."""


@dataclass
class Wanted:
    """An answer that is asked for. ``choose`` is made in the model's thread; where it gives
    ``None``, ``alone`` makes the whole answer."""

    reader: Reader
    prompt: Sequence[int]
    choose: Callable[[], NextToken | None]
    alone: Callable[[], None]


class _Row:
    """An answer under way. ``last`` is its newest token."""

    def __init__(self, wanted: Wanted, choose: NextToken) -> None:
        self.reader, self._choose = wanted.reader, choose
        self.length = len(wanted.prompt)
        self._room = choose.longest
        self.last, self.ended = 0, False

    def choice(self, tokens: Any, scores: Any) -> Any:
        """The next token, on the device. Where choosing fails, the answer ends."""
        try:
            return self._choose(tokens, scores)
        except BaseException as error:
            self.reader.fail(error)
            self.ended = True
            return no_token(scores)

    def take(self, token: int) -> None:
        """Hand the next token to the reader."""
        if self.ended:
            return
        self.last = token
        self.length += 1
        self._room -= 1
        self.reader.token(token)
        if token in self._choose.ends or not self._room or self.reader.over:
            self.reader.finish(self._choose.ends)
            self.ended = True


class Decoding:
    """All answers of one model, up to ``most`` of them at once; 1 for one after another."""

    def __init__(self, model: Any, most: int) -> None:
        self._model, self.most = model, most
        self._lock = threading.Lock()
        self._waiting: collections.deque[Wanted] = collections.deque()
        self._working = False
        self._rows: list[_Row] = []
        self._batch = Batch(model)

    def add(self, wanted: Wanted) -> None:
        """Its reader will be told."""
        with self._lock:
            self._waiting.append(wanted)
            if self._working:
                return
            self._working = True
        threading.Thread(target=self._work, name="umbel-generate", daemon=True).start()

    def _work(self) -> None:
        with inference():
            while self._goes_on():
                try:
                    self._admit()
                    self._advance()
                except BaseException as error:
                    for row in self._rows:
                        row.reader.fail(error)
                    self._rows, self._batch = [], Batch(self._model)

    def _goes_on(self) -> bool:
        with self._lock:
            self._working = bool(self._rows or self._waiting)
            return self._working

    def _admit(self) -> None:
        while self._waiting and len(self._rows) < self.most:
            wanted = self._waiting.popleft()
            if wanted.reader.over:
                continue
            try:
                choose = wanted.choose()
                if choose is None and self._rows:
                    self._waiting.appendleft(wanted)
                    return
                if choose is None:
                    wanted.alone()
                    continue
                prefilled = self._batch.prefill(wanted.prompt)
            except BaseException as error:
                wanted.reader.fail(error)
                continue
            row = _Row(wanted, choose)
            self._rows.append(row)
            self._batch.join(prefilled)
            row.take(*as_list([row.choice(prefilled.ids, prefilled.scores)]))

    def _advance(self) -> None:
        self._leave()
        if not self._rows:
            return
        scores = self._batch.advance([row.last for row in self._rows])
        chosen = [
            row.choice(self._batch.tokens(at, row.length), scores[at : at + 1])
            for at, row in enumerate(self._rows)
        ]
        for row, token in zip(self._rows, as_list(chosen), strict=True):
            row.take(token)

    def _leave(self) -> None:
        kept = [at for at, row in enumerate(self._rows) if not row.ended and not row.reader.over]
        if len(kept) < len(self._rows):
            self._rows = [self._rows[at] for at in kept]
            self._batch.keep(kept)
