"""Which answers stay tensors on their device."""

from __future__ import annotations

from typing import Any

import pytest

from umbel import Batch, inference_graph, predictor, transformer
from umbel.graph.implementations import ModelFile
from umbel.graph.inference import infer
from umbel.graph.passes.fuse import fuse
from umbel.graph.passes.keep import keep
from umbel.graph.plan import Plan


def model(name: str, **options: Any) -> Any:
    return predictor("pytorch", uri=f"{name}.pt2", name=name, **options)


@transformer
def numbers(x):
    return x


def outputs(definition: Any) -> dict[str, object]:
    plan = keep(fuse(Plan(infer(definition.program()))))
    (graph,) = plan.program
    return {
        name: node.code.options.get("output", "")
        for name, node in graph.nodes.items()
        if isinstance(node.code, ModelFile)
    }


def test_a_chain_of_models_hands_tensors_on_and_ends_in_an_array() -> None:
    a, b, c = model("a"), model("b"), model("c")

    @inference_graph
    def graph(x):
        return numbers(c(b(a(x))))

    assert outputs(graph) == {"a": "tensor", "b": "tensor", "c": "array"}


def test_what_others_read_too_stays_an_array() -> None:
    a, b, c = model("a"), model("b"), model("c")

    @inference_graph
    def graph(x):
        first = a(x)
        second = b(first)
        return numbers(first), second, c(second)

    assert outputs(graph) == {"a": "", "b": "", "c": ""}


@pytest.mark.parametrize("options", [{"gpus": 1}, {"batch": Batch()}, {"retries": 1}], ids=str)
def test_models_elsewhere_or_batched_stay_as_they_are(options: dict[str, Any]) -> None:
    a, b = model("a"), model("b", **options)

    @inference_graph
    def graph(x):
        return b(a(x))

    assert outputs(graph) == {"a": "", "b": ""}


def test_gpus_of_the_graphs_own_keep_models_in_its_process() -> None:
    a, b = (model(name, gpus=0.5, fuse="always") for name in "ab")

    @inference_graph
    def graph(x):
        return b(a(x))

    assert outputs(graph) == {"a": "tensor", "b": "array"}


def test_what_the_user_says_stays() -> None:
    a, b = model("a", settings={"output": "array"}), model("b")

    @inference_graph
    def graph(x):
        return b(a(x))

    assert outputs(graph)["a"] == "array"
