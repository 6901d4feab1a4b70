"""Streams that are arguments of nodes in deployments of their own."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from umbel import InvalidInput, inference_graph, predictor, transformer

PAUSE_S = 0.06


def note(name: str, text: str) -> None:
    """Leave a mark that a test can see from another process."""
    folder = os.environ.get("UMBEL_TEST_FOLDER")
    if folder:
        Path(folder, name).write_text(text)


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
        note("closed", text)


@predictor
def words(text: str) -> Iterator[str]:
    yield from said(text)


@predictor(fuse="never")
def words_apart(text: str) -> Iterator[str]:
    yield from said(text)


@transformer(fuse="never")
def numbered(parts: Iterator[str]) -> Iterator[str]:
    for index, part in enumerate(parts):
        yield f"{index}:{part}"


@transformer(fuse="never")
async def pairs(parts: AsyncIterator[str]) -> AsyncIterator[str]:
    last = ""
    async for part in parts:
        yield last + part
        last = part


@transformer(fuse="never")
def sentence(parts: Iterator[str]) -> str:
    return " ".join(parts)


@transformer(fuse="never")
def first_two(parts: Iterator[str]) -> Iterator[str]:
    for index, part in enumerate(parts):
        yield part
        if index == 1:
            return


@predictor(fuse="never")
def flood(count: int) -> Iterator[str]:
    for number in range(count):
        note("made", str(number + 1))
        yield "x" * 200_000


@inference_graph
def fed(text):
    return numbered(words(text))


@inference_graph
def far(text):
    return pairs(numbered(words_apart(text)))


@inference_graph
def collected(text):
    return sentence(words_apart(text))


@inference_graph
def two(text):
    return first_two(words(text))


@inference_graph
def flooded(count):
    return flood(count)


@transformer(fuse="never")
def same(x):
    return x


@inference_graph
def echo(x):
    return same(x)
