"""Graphs whose answers are streams: the same file in process and on Ray."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from umbel import InvalidInput, Tensor, inference_graph, predictor, transformer

Row = Tensor["int64", "batch"]

PAUSE_S = 0.06


def note(name: str) -> None:
    """Leave a mark that a test can see from another process."""
    folder = os.environ.get("UMBEL_TEST_FOLDER")
    if folder:
        Path(folder, name).touch()


def said(text: str) -> Iterator[str]:
    try:
        for word in text.split():
            if word == "bad":
                raise ValueError("a secret")
            if word == "refused":
                raise InvalidInput("no such word")
            yield word
            time.sleep(PAUSE_S)
    finally:
        note("closed")


@predictor
def words(text: str) -> Iterator[str]:
    yield from said(text)


@predictor(fuse="never")
def words_apart(text: str) -> Iterator[str]:
    yield from said(text)


@predictor
async def numbers(x: Row) -> AsyncIterator[Row]:
    for factor in (1, 2, 3):
        yield x * factor
        await asyncio.sleep(0)


@transformer
def upper(word: str) -> str:
    return word.upper()


@transformer(fuse="never")
def upper_apart(word: str) -> str:
    return word.upper()


@transformer
def letters(word: str):
    yield from word


@transformer
def numbered(parts: Iterator[str]) -> Iterator[str]:
    for index, part in enumerate(parts):
        yield f"{index}:{part}"


@transformer
async def pairs(parts: AsyncIterator[str]) -> AsyncIterator[str]:
    last = ""
    async for part in parts:
        yield last + part
        last = part


@transformer
def sentence(parts: Iterator[str]) -> str:
    return " ".join(parts)


@predictor(fuse="never")
class Talker:
    """A model with a method of OpenAI's API, in a deployment of its own."""

    def predict(self, x: str) -> str:
        return x

    def create_completion(self, request):
        if request.prompt == "refused":
            raise InvalidInput("no such word")
        if not request.stream:
            return {"text": request.prompt.upper()}
        return ({"text": word} for word in said(request.prompt))


@inference_graph
def talk(x):
    return Talker()(x)


@inference_graph
def spoken(text):
    return upper(words(text))


@inference_graph
def apart(text):
    return upper_apart(words_apart(text))


@inference_graph
def chained(text):
    return pairs(numbered(upper(words(text))))


@inference_graph
def spelled(text):
    return letters(upper(words(text)))


@inference_graph
def whole(text):
    return upper(sentence(words(text)))


@inference_graph
def nested(text):
    return upper(chained(text))


@inference_graph
def multiples(x):
    return numbers(x)
