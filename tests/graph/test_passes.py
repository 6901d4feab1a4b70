"""The planner's passes: pure, told in words, and without effect on what a graph gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated_graphs import declare, random_recipe
from umbel import Scale, ensemble, inference_graph, otherwise, switch, transformer, when
from umbel.graph import passes
from umbel.graph.canonical import as_data, to_json
from umbel.graph.inference import infer
from umbel.graph.passes.merge import merge
from umbel.graph.passes.prune import prune
from umbel.graph.plan import Plan
from umbel.graph.steps import Call, Constant, Input


@transformer
def one(x):
    return x


@transformer(deterministic=False)
def dice(x):
    return x


@transformer
def pair(x, y):
    return x


@transformer(fuse="never")
def far(x):
    return x


@transformer(gpus=0.5)
def costly(x):
    return x


@transformer(scale=Scale(min=0, max=4))
def scaling(x):
    return x


def planned(definition) -> Plan:
    return passes.plan(infer(definition.program()))


def ids(plan: Plan, kind: type) -> list[str]:
    (graph,) = plan.program
    return [step.id for step in graph.steps if isinstance(step, kind)]


def test_what_no_output_needs_is_pruned_but_inputs_stay() -> None:
    @inference_graph
    def graph(x, unused):
        dice(pair(x, 3))
        return one(x)

    plan = prune(Plan(infer(graph.program())))
    assert ids(plan, Call) == ["one"]
    assert ids(plan, Constant) == []
    assert ids(plan, Input) == ["x", "unused"]
    (kept,) = plan.program
    assert list(kept.nodes) == ["one"]
    assert {d.subject for d in plan.decisions} == {"pair", "dice"}


def test_what_only_a_branch_needs_is_not_pruned() -> None:
    @inference_graph
    def graph(x):
        return switch(when(one(x), dice(x)), otherwise(x))

    assert ids(prune(Plan(infer(graph.program()))), Call) == ["one", "dice"]


def test_equal_calls_are_merged_through_what_they_read() -> None:
    @inference_graph
    def graph(x):
        return pair(one(x)["a"] + 1, one(x)["a"] + 1), pair(y=one(one(x)), x=dice(x)), dice(x)

    plan = merge(Plan(infer(graph.program())))
    assert ids(plan, Call) == ["one", "pair", "one_4", "dice", "pair_2", "dice_2"]
    assert all("one call serves both" in d.words for d in plan.decisions)


def test_merged_steps_are_renamed_wherever_they_are_read() -> None:
    @inference_graph
    def graph(x):
        a, b = one(x), one(x)
        return {"r": switch(when(b > 1, b), otherwise(ensemble(a=a, b=b))), "s": b}

    plan = merge(Plan(infer(graph.program())))
    (merged,) = plan.program
    known = {step.id for step in merged.steps}
    assert all(ref in known for step in merged.steps for ref in step.reads())
    assert dict(merged.outputs)["s"] == "one"


@pytest.mark.parametrize(
    "constants",
    [
        (1, True),
        (1, 1.0),
        ([1], [True]),
        (0.0, -0.0),
        ("1", 1),
        ("numpy", "other numpy"),
        ({"a": 1}, {"a": 2}),
    ],
    ids=str,
)
def test_constants_that_differ_stay_two(constants) -> None:
    if constants[0] == "numpy":
        np = pytest.importorskip("numpy")
        first = np.zeros(5000)
        second = first.copy()
        second[2500] = 1
        constants = (first, second)

    @inference_graph
    def graph(x):
        return pair(x, constants[0]), pair(x, constants[1])

    plan = merge(Plan(infer(graph.program())))
    assert len(ids(plan, Call)) == 2


def test_a_node_lives_apart_if_it_asks_for_something_and_is_told_why() -> None:
    @inference_graph
    def graph(x):
        return one(far(costly(scaling(x))))

    plan = planned(graph)
    assert [d.name for d in plan.deployments] == ["graph--scaling", "graph--costly", "graph--far"]
    assert plan.deployments[0].scale == Scale(min=0, max=4)
    assert plan.deployments[1].resources.gpus == 0.5
    words = {d.subject: d.words for d in plan.decisions if "graph." in d.subject}
    assert words["graph.far"] == 'has its own deployment: fuse="never"'
    assert words["graph.costly"] == "has its own deployment: asks for 0.5 GPU"
    assert "asks for nothing of its own" in words["graph.one"]


recipes = st.randoms(use_true_random=False).map(random_recipe)


@settings(max_examples=40)
@given(recipes)
def test_passes_are_pure_and_a_second_time_changes_nothing(recipe) -> None:
    program = infer(declare(recipe, "top").program())
    before = to_json(program)
    first, second = passes.plan(program), passes.plan(program)
    assert to_json(program) == before
    assert as_data(first) == as_data(second)
    again = merge(prune(first))
    assert to_json(again.program) == to_json(first.program)


@settings(max_examples=40)
@given(recipes)
def test_no_equal_calls_are_left(recipe) -> None:
    for graph in passes.plan(infer(declare(recipe, "top").program())).program:
        calls = [(s.node, sorted(s.args)) for s in graph.steps if isinstance(s, Call)]
        assert all(calls.count(call) == 1 for call in calls)


def test_passes_have_names() -> None:
    assert [name for name, _ in passes.PASSES][:2] == ["prune", "merge"]
