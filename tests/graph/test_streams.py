"""Streams in a graph: how they are declared, what they become, and where they cannot go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from umbel import (
    Batch,
    Cache,
    Tensor,
    ensemble,
    inference_graph,
    otherwise,
    switch,
    transformer,
    when,
)
from umbel.graph.annotations import read_signature
from umbel.graph.checks import check
from umbel.graph.inference import infer
from umbel.graph.passes import plan
from umbel.graph.value_types import ValueType

Rows = Tensor["float32", "batch", 4]
Five = Tensor["float32", "batch", 5]


@transformer
def words(text: str) -> Iterator[str]:
    yield from text.split()


@transformer
def rows(text: str) -> Iterator[Rows]:
    yield from ()


@transformer
def upper(word: str) -> str:
    return word.upper()


@transformer
def joined(parts: Iterator[str]) -> str:
    return "".join(parts)


@transformer
def both(one: str, other: str) -> str:
    return one + other


@transformer
def five(x: Five) -> Rows:
    return x


@transformer(batch=Batch(), cache=Cache())
def kept(text: str) -> Iterator[str]:
    yield text


def unannotated(x):
    yield x


async def asynchronous(x) -> AsyncIterator[Rows]:
    yield x


def returned(x) -> Iterator[str]:
    return iter(x)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (unannotated, ValueType(stream=True)),
        (asynchronous, ValueType("ndarray", "float32", ("batch", 4), stream=True)),
        (returned, ValueType("str", stream=True)),
        (upper, ValueType("any")),
    ],
)
def test_a_node_that_yields_is_known_by_its_code(code: Any, expected: ValueType) -> None:
    (port,) = read_signature(code).signature.outputs
    assert port.type == expected


def of(function: Callable[..., Any]) -> tuple[ValueType, list[tuple[str, str]]]:
    graph = inference_graph(name="graph")(function)
    program = infer(graph.program())
    return program.graphs[program.served[0]].signature.outputs[0].type, [
        (f.code, f.message) for f in check(program)
    ]


STREAM, TEXT = ValueType("str", stream=True), ValueType("str")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda text: upper(upper(words(text))), STREAM),
        (lambda text: upper(words(text)), STREAM),
        (lambda text: joined(words(text)), TEXT),
        (lambda text: upper(joined(words(text))), TEXT),
        (lambda text: switch(when(text == "", upper(text)), otherwise(words(text))), STREAM),
        (lambda text: both(text, words(text)), STREAM),
    ],
)
def test_streams_flow_until_a_node_takes_them_whole(
    function: Callable[..., Any], expected: ValueType
) -> None:
    assert of(function) == (expected, [])


@pytest.mark.parametrize(
    ("function", "code", "message"),
    [
        (lambda text: words(text) + "x", "UMB-G215", "needs a whole value"),
        (lambda text: words(text)["key"], "UMB-G215", "needs a whole value"),
        (lambda text: ensemble(a=words(text), b=upper(text)), "UMB-G215", "needs a whole value"),
        (lambda text: both(words(text), words(text)), "UMB-G215", "takes 2 streams"),
        (lambda text: {"a": words(text), "b": upper(text)}, "UMB-G215", "beside other outputs"),
        (
            lambda text: switch(when(words(text), upper(text)), otherwise(text)),
            "UMB-G215",
            "neither true nor false",
        ),
        (
            lambda text: upper(kept(text)),
            "UMB-G250",
            "batch= does not work with the streams of 'kept'",
        ),
        (lambda text: five(rows(text)), "UMB-G210", "expected 5 on axis 1"),
        (lambda text: joined(upper(text)), "UMB-G210", "expected stream of str, got str"),
    ],
)
def test_where_a_stream_cannot_go(function: Callable[..., Any], code: str, message: str) -> None:
    _, found = of(function)
    assert any(one == code and message in text for one, text in found), found


def test_a_stream_has_one_reader() -> None:
    def shared(text):
        spoken = words(text)
        return both(joined(spoken), joined(upper(spoken)))

    _, found = of(shared)
    assert [code for code, _ in found] == ["UMB-G216"]


def test_an_input_of_a_graph_is_no_stream() -> None:
    def streamed(text: Iterator[str]):
        return upper(text)

    _, found = of(streamed)
    assert "UMB-G215" in [code for code, _ in found]


def test_equal_streams_are_not_merged() -> None:
    @inference_graph
    def twice(text):
        return both(joined(words(text)), joined(upper(words(text))))

    planned = plan(infer(twice.program()))
    (graph,) = planned.program
    assert sum(step.id.startswith("words") for step in graph.steps) == 2
