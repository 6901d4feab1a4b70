"""A node whose package another thread was just importing is loaded again."""

from __future__ import annotations

from typing import Any

import pytest

from umbel import predictor
from umbel.nodes.loading import NodeNotLoaded
from umbel.serving import node_loading

TOLD = "ImportError: cannot import name 'A' from partially initialized module 'b'"


@pytest.mark.parametrize(("failures", "works"), [(2, True), (9, False)])
def test_half_imported_packages(
    monkeypatch: pytest.MonkeyPatch, failures: int, works: bool
) -> None:
    calls: list[int] = []

    class Racing:
        def __init__(self) -> None:
            calls.append(1)
            if len(calls) <= failures:
                raise ImportError(TOLD.partition(": ")[2])

        def predict(self, x: Any) -> Any:
            return x

    node = node_of(predictor(Racing))
    monkeypatch.setattr(node_loading, "RETRIES_S", (0.0, 0.0, 0.0))
    if works:
        assert node_loading.load_node(node).instance is not None
        assert len(calls) == failures + 1
    else:
        with pytest.raises(NodeNotLoaded, match="partially initialized"):
            node_loading.load_node(node)
        assert len(calls) == 4


def test_other_failures_are_told_at_once() -> None:
    calls: list[int] = []

    class Broken:
        def __init__(self) -> None:
            calls.append(1)
            raise ImportError("no such thing")

        def predict(self, x: Any) -> Any:
            return x

    with pytest.raises(NodeNotLoaded, match="no such thing"):
        node_loading.load_node(node_of(predictor(Broken)))
    assert len(calls) == 1


def node_of(made: Any) -> Any:
    from umbel import inference_graph

    step = made()

    @inference_graph
    def alone(x: Any) -> Any:
        return step(x)

    (node,) = alone.graph().nodes.values()
    return node
