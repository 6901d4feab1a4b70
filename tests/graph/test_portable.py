"""A plan travels as JSON and comes back equal, whatever it holds."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.graph import passes, portable
from umbel.graph.errors import DeclarationError
from umbel.graph.inference import infer
from umbel.graph.ir import Graph, Program
from umbel.graph.plan import Plan
from umbel.graph.source import PythonFile, graphs_in
from umbel.graph.steps import Constant, GraphName, Step, StepId
from umbel.graph.value_types import Signature
from umbel.k8s.translate import translate

ROOT = Path(__file__).parents[2]
GRAPH = ROOT / "examples" / "kserve_chain" / "manifests.yaml"

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.sampled_from(["is", "of"]), inner, max_size=3)
        | st.dictionaries(st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


def plan_with(value: object) -> Plan:
    step = Constant(id=StepId("c"), value=value)
    name = GraphName("g")
    graph = Graph(name, {}, (step,), (("output", step.id),), Signature(inputs=()))
    return Plan(Program({name: graph}, (name,)))


def kinds(value: object) -> object:
    """The value with its types: 1, 1.0 and True are equal, lists and tuples may not swap."""
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [kinds(item) for item in value]
    if isinstance(value, dict):
        return {key: kinds(item) for key, item in value.items()}
    return type(value).__name__, value


@given(values)
def test_a_constant_comes_back_as_it_was(value: object) -> None:
    text = json.dumps(portable.to_data(plan_with(value)))
    (graph,) = portable.from_data(json.loads(text)).program
    (step,) = graph.steps
    assert isinstance(step, Constant)
    assert kinds(step.value) == kinds(value)


def yaml_plan(text: str) -> Plan:
    return passes.plan(infer(translate([("graph.yaml", text)]).program))


def test_a_graph_from_yaml_comes_back_equal() -> None:
    plan = yaml_plan(GRAPH.read_text())
    back = portable.from_data(json.loads(json.dumps(portable.to_data(plan))))
    assert back == dataclasses.replace(plan, decisions=())
    assert plan.program.served


def test_lines_that_move_change_nothing() -> None:
    text = GRAPH.read_text()
    assert portable.to_data(yaml_plan(text)) == portable.to_data(yaml_plan("# moved\n\n" + text))


def test_code_of_a_python_file_is_refused_with_its_place() -> None:
    (graph, *_) = graphs_in(PythonFile(str(ROOT / "tests" / "graphs" / "arithmetic.py")))
    program = Program({graph.graph().name: graph.graph()}, (graph.graph().name,))
    with pytest.raises(DeclarationError, match="is code of a Python file"):
        portable.to_data(Plan(program))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"is": "os.system", "of": "true"}, "knows no 'os.system'"),
        ({"is": "PythonCode", "reference": "os:system"}, "knows no 'PythonCode'"),
        ({"is": "Plan", "colour": "red"}, "Plan has no colour"),
        ({"is": "Plan"}, "missing 1 required"),
        ([], "expected a plan; got tuple"),
        ({"is": "Scale"}, "expected a plan; got Scale"),
    ],
)
def test_what_is_no_plan_is_refused(data: object, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        portable.from_data(data)


def test_every_dataclass_that_a_plan_may_hold_has_a_form() -> None:
    pending, seen = [Plan, *steps_of()], set()
    while pending:
        one = pending.pop()
        pending += typing.get_args(one)
        if not dataclasses.is_dataclass(one) or one in seen:
            continue
        seen.add(one)
        pending += typing.get_type_hints(one).values()
    known = {"Place", "PythonCode", "Decision"} | set(portable._classes())
    assert {one.__name__ for one in seen} <= known
    assert len(seen) > 30


def steps_of() -> list[type[Step]]:
    found = [Step]
    for one in found:
        found += one.__subclasses__()
    return found
