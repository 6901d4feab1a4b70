"""A graph as a tree, Mermaid, DOT and JSON."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated_graphs import declare, random_recipe
from umbel import ensemble, inference_graph, otherwise, splitter, switch, transformer, when
from umbel.graph.inference import infer
from umbel.graph.picture import RENDERERS, draw, picture


@transformer
def scale(x: list) -> list:
    return x


@transformer
def check(x) -> float:
    return x


@inference_graph
def inner(x):
    return scale(x)


@inference_graph
def drawn(x):
    scaled = scale(x)
    sure = switch(when(check(scaled) > 0.5, scaled, name="sure"), otherwise(inner(x)))
    return ensemble(left=sure, right=splitter(old=(90, scaled), new=(10, 'a "b"')))


PROGRAM = infer(drawn.program())


def test_the_tree() -> None:
    assert draw(PROGRAM, "tree").splitlines() == [
        "drawn",
        "└─ ensemble  (join)",
        "   ├─ left ← switch  (branch)",
        "   │  ├─ if sure ← >",
        "   │  │  ├─ check: float  (transformer)",
        "   │  │  │  └─ scale: list  (transformer)",
        "   │  │  │     └─ x: list",
        "   │  │  └─ 0.5",
        "   │  ├─ then sure ← scale: list  (transformer)  ↑",
        "   │  └─ otherwise ← inner: list  (graph)",
        "   │     └─ x: list",
        "   └─ right ← splitter  (branch)",
        "      ├─ old 90 % ← scale: list  (transformer)  ↑",
        "      └─ new 10 % ← 'a \"b\"'",
        "",
        "inner",
        "└─ scale: list  (transformer)",
        "   └─ x: list",
    ]


def test_the_plain_data() -> None:
    boxes = {box.id: box.shape for box in picture(PROGRAM.graphs[drawn.graph().name]).boxes}
    assert boxes["x"] == "input"
    assert boxes["scale"] == "transformer"
    assert boxes["switch"] == boxes["splitter"] == "branch"
    assert boxes["ensemble"] == "join"
    assert boxes["inner"] == "graph"
    assert boxes["answer"] == "answer"
    assert json.loads(draw(PROGRAM, "json"))[0]["name"] == "drawn"


def test_quotes_do_not_break_the_languages() -> None:
    mermaid, dot = draw(PROGRAM, "mermaid"), draw(PROGRAM, "dot")
    assert 'a "b"' not in mermaid
    assert r"a \"b\"" in dot
    assert mermaid.splitlines()[0] == "flowchart LR"
    assert dot.startswith("digraph umbel {")
    assert dot.count("{") == dot.count("}")


@settings(max_examples=30)
@given(st.randoms(use_true_random=False).map(random_recipe), st.sampled_from(sorted(RENDERERS)))
def test_every_arrow_joins_two_boxes(recipe, form: str) -> None:
    program = infer(declare(recipe, "top").program())
    for graph in program:
        plain = picture(graph)
        known = {box.id for box in plain.boxes}
        assert len(known) == len(plain.boxes)
        assert all({arrow.source, arrow.target} <= known for arrow in plain.arrows)
    text = draw(program, form)
    if form == "mermaid":
        named = set(re.findall(r"^    (g\d+n\d+)\W", text, re.MULTILINE))
        assert set(re.findall(r"g\d+n\d+", text)) == named
    if form == "json":
        assert [one["name"] for one in json.loads(text)] == [g.name for g in program]


@pytest.mark.parametrize("form", sorted(RENDERERS))
def test_a_chain_of_2000_nodes_can_be_drawn(form: str) -> None:
    @inference_graph
    def deep(x):
        for _ in range(2000):
            x = scale(x)
        return x

    assert "scale_2000" in draw(infer(deep.program()), form)
