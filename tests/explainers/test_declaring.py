"""Explainers in graphs: what they explain, how they are attached, and what is said when wrong."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from loopback_server import planned
from umbel import (
    CheckFailed,
    DeclarationError,
    MissingExtra,
    Scale,
    Tensor,
    explainer,
    inference_graph,
    predictor,
)
from umbel.graph.steps import Explain, GraphName
from umbel.serving.explaining import explained_by

ROWS = np.arange(12.0).reshape(4, 3)
Labels = Tensor["batch"]
Rows = Tensor["batch", 3]


@predictor
def total(x: Rows) -> Labels:
    return x.sum(axis=1) > 10


def test_a_graph_may_answer_and_explain_in_one() -> None:
    why = explainer("alibi-anchor-tabular", of=total, train=ROWS)

    @inference_graph
    def both(x: Any) -> Any:
        return {"answer": total(x), "why": why(x)}

    plan = planned(both)
    graph = plan.program.graphs[GraphName("both")]
    (step,) = [s for s in graph.steps if isinstance(s, Explain)]
    assert (step.predictor, step.graph) == ("total", "")
    assert set(graph.nodes) == {"total", "anchor_tabular"} or set(graph.nodes) == {"total", "why"}


def test_what_is_only_explained_is_kept_too() -> None:
    why = explainer("alibi-anchor-tabular", of=total, train=ROWS)

    @inference_graph
    def reasons(x: Any) -> Any:
        return why(x)

    graph = planned(reasons).program.graphs[GraphName("reasons")]
    assert "total" in graph.nodes
    assert graph.signature.inputs[0].type.shape == ("batch", 3)


def test_an_explainer_without_an_aim_is_a_finding() -> None:
    why = explainer("alibi-anchor-tabular", train=ROWS)

    @inference_graph
    def lost(x: Any) -> Any:
        return why(x)

    with pytest.raises(CheckFailed, match="UMB-G130"):
        lost.local(ROWS)
    with pytest.raises(CheckFailed, match="UMB-G130"):
        why(ROWS)


def test_an_attached_explainer_explains_its_graph() -> None:
    @inference_graph(explainer=explainer("alibi-anchor-tabular", train=ROWS))
    def loans(x: Any) -> Any:
        return total(x)

    program = planned(loans).program
    assert program.served == ("loans",)
    graph = program.graphs[GraphName("loans")]
    assert graph.explainer == "loans/explainer"
    inner = program.graphs[GraphName("loans/explainer")]
    (step,) = [s for s in inner.steps if isinstance(s, Explain)]
    assert step.graph == "loans"
    assert [port.name for port in inner.signature.inputs] == ["x", "parameters"]


def test_a_function_explains_too() -> None:
    @explainer
    def reasons(x: Rows) -> dict:
        return {"largest": x.argmax(axis=1)}

    @inference_graph(explainer=reasons)
    def loans(x: Any) -> Any:
        return total(x)

    inner = planned(loans).program.graphs[GraphName("loans/explainer")]
    assert list(inner.nodes) == ["reasons"]


def test_an_explainer_with_replicas_of_its_own_takes_along_what_is_fused() -> None:
    why = explainer("alibi-anchor-tabular", train=ROWS, scale=Scale(min=1, max=2))

    @inference_graph(explainer=why)
    def loans(x: Any) -> Any:
        return total(x)

    plan = planned(loans)
    (deployment,) = plan.deployments
    assert deployment.graph == "loans/explainer"
    part = explained_by(plan, deployment.graph, deployment.nodes[0])
    assert part is not None
    assert part.program.served == ("loans",)
    assert part.program.graphs[GraphName("loans")].explainer is None
    assert part.deployments == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"of": "model"}, "of= is a model or a graph"),
        ({"train": [[1.0]]}, "train= is an array"),
        ({"train": np.array([{}], dtype=object)}, "train= is an array"),
        ({"train": "rows.npz", "uri": "folder"}, "not both"),
        ({"model": total}, "model= is a saved model"),
    ],
)
def test_what_cannot_be_an_explainer_is_said_where_it_stands(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(DeclarationError, match=said) as caught:
        explainer("alibi-anchor-tabular", **given)
    assert "test_declaring.py:" in str(caught.value)


@pytest.mark.parametrize(
    ("method", "given", "said"),
    [
        ("alibi-anchor-tabula", {}, "there is no explainer 'alibi-anchor-tabula'; there are alibi"),
        ("alibi-anchor-tabular", {}, "is fitted to training rows"),
        ("alibi-tree-shap", {}, "looks inside a saved model"),
        ("alibi-ale", {"settings": {"zeed": 1}}, "setting 'zeed' is not known"),
    ],
)
def test_what_cannot_start_says_why(method: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        explainer(method, of=total, **given)(ROWS)


@pytest.mark.parametrize(
    ("method", "library", "module", "extra"),
    [
        ("alibi-anchor-text", "alibi", "alibi_anchors", "alibi"),
        ("art-square-attack", "art", "art_attack", "art"),
    ],
)
def test_without_the_library_the_line_to_type_is_named(
    monkeypatch: pytest.MonkeyPatch, method: str, library: str, module: str, extra: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("alibi_library", module):
        monkeypatch.delitem(sys.modules, f"umbel.explainers.{name}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setitem(sys.modules, "alibi.explainers", None)
    with pytest.raises(MissingExtra, match=rf"pip install 'umbel\[{extra}\]'"):
        explainer(method, of=total)(ROWS)
