"""Each mistake has one finding of its own, with the line it was made on and a fix."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from umbel import (
    Batch,
    Scale,
    Tensor,
    ensemble,
    inference_graph,
    otherwise,
    predictor,
    splitter,
    switch,
    transformer,
    when,
)
from umbel.graph.checks import check
from umbel.graph.errors import CheckFailed
from umbel.graph.finding_codes import CODES
from umbel.graph.findings import Finding
from umbel.graph.graph_definitions import GraphDefinition
from umbel.graph.inference import infer

Four = Tensor["batch", 4]
Three = Tensor["batch", 3]
Flat = Tensor["batch"]
Whole = Tensor["int64", "batch", 4]
Pair = tuple[int, int]


@transformer
def four(x: Four) -> Four:
    return x


@transformer
def three(x: Four) -> Three:
    return x


@transformer
def flat(x: Flat) -> Flat:
    return x


@transformer
def whole(x: Whole) -> Whole:
    return x


@transformer
def two(x, y):
    return x


@transformer
def pair(x) -> Pair:
    return x, x


@transformer
def text(x) -> str:
    return x


@predictor
class Model:
    def __init__(self, path: str) -> None:
        self.path = path

    def predict(self, x: Four) -> Three:
        return x


one = transformer(name="clash")(lambda x: x)
other = transformer(name="clash")(lambda x: -x)


def finding_of(function: Callable[..., Any]) -> Finding:
    """The only finding of a graph with one mistake; the mistake stands on its marked line."""
    definition: GraphDefinition = inference_graph(function)
    program = infer(definition.program())
    found = [f for one in definition.definitions() for f in one.findings] + check(program)
    assert len(found) == 1, "\n".join(map(str, found))
    (finding,) = found
    lines, first = inspect.getsourcelines(function)
    marked = [first + i for i, line in enumerate(lines) if "# here" in line]
    if marked:
        assert finding.place.line in marked, finding
    assert finding.place.file == __file__
    assert finding.code in CODES
    return finding


def too_many(x):
    return four(x, x)  # here


def unknown_argument(x):
    return four(x, z=x)  # here


def twice_given(x):
    return two(x, x, x=x)  # here


def missing(x):
    return two(x)  # here


def two_nodes_one_name(x):
    return one(other(x))  # here


def several_at_once(x):
    return four(pair(x))  # here


def a_list_of_values(x):
    return text([x, x])  # here


def a_dict_of_values(x):
    return text({"a": x, "b": [x]})  # here


def a_node_as_value(x):
    return two(x, four)  # here


def set_up_wrongly(x):
    return Model()(x)  # here


def an_if(x):
    if x > 0:  # here
        return x
    return four(x)


def unpacked(x):
    a, b = text(x)  # here
    return two(a, b)


def no_such_name(x):
    return undeclared(x)  # type: ignore[name-defined]  # here


def unknown_operator(x):
    return x**2  # here


def any_number(*xs):
    return 1


def returns_nothing(x):
    four(x)


def no_case(x):
    return switch(otherwise(x))  # here


def no_last_branch(x):
    return switch(when(x > 1, x))  # here


def last_branch_first(x):
    return switch(otherwise(x), when(x > 1, x))  # here


def no_pair(x):
    return splitter(a=(100, x), b=x)  # here


def no_integer(x):
    return splitter(a=(99.0, x), b=(1, x))  # here


def negative(x):
    return splitter(a=(60, x), b=(-10, x), c=(50, x))  # here


def ninety(x):
    return splitter(a=(50, x), b=(40, x))  # here


def no_branches(x):
    return two(x, ensemble())  # here


def same_branch(x):
    return ensemble({"a": x}, a=x)  # here


def unknown_combine(x):
    return ensemble(a=x, b=x, combine="median")  # here


def wrong_length(x):
    return four(three(x))  # here


def wrong_rank(x):
    return flat(four(x))  # here


def wrong_dtype(x):
    return whole(scores(x))  # here


def wrong_form(x):
    return four(text(x))  # here


def uneven(x: Four, y: Three):
    return same(x, y)  # here


def unused_input(x, y):
    return four(x)


def unused_call(x):
    four(x)  # here
    return text(x)


def itself(x):
    return inference_graph(name="itself")(itself)(x)


Floats = Tensor["float32", "batch", 4]
Square = Tensor["n", "n"]


@transformer
def scores(x: Four) -> Floats:
    return x


@transformer
def same(x: Tensor["batch", "width"], y: Tensor["batch", "width"]) -> Flat:  # noqa: UP037
    return x


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        (too_many, "G102", "2 positional arguments came; four takes x"),
        (unknown_argument, "G102", "argument 'z' is no input; four takes x"),
        (twice_given, "G102", "argument 'x' comes twice; two takes x, y"),
        (missing, "G103", "input 'y' is missing; two takes x, y"),
        (two_nodes_one_name, "G106", "two different nodes are called 'clash'"),
        (several_at_once, "G107", "input 'x' gets 2 values at once (output_0, output_1)"),
        (a_list_of_values, "G108", "a list of graph values is passed on"),
        (a_dict_of_values, "G108", "a dict of graph values is passed on"),
        (a_node_as_value, "G108", "<transformer four> itself is passed on, not its result"),
        (set_up_wrongly, "G101", "missing a required argument: 'path'"),
        (an_if, "G110", "is not known while the graph is declared"),
        (unpacked, "G110", "cannot be unpacked: its node has one output"),
        (no_such_name, "G112", "NameError: name 'undeclared' is not defined"),
        (unknown_operator, "G112", "unsupported operand type(s) for **"),
        (any_number, "G110", "takes any number of arguments (*xs)"),
        (returns_nothing, "G111", "the graph returns nothing"),
        (no_case, "G120", "without a case"),
        (no_last_branch, "G121", "without a last branch"),
        (last_branch_first, "G122", "stands once, as the last case"),
        (no_pair, "G123", "a share of a splitter is (weight, value), not Value"),
        (no_integer, "G124", "weight 99.0 of share a is not a whole number"),
        (negative, "G124", "weight -10 of share b is not a whole number"),
        (ninety, "G230", "the weights of a splitter sum to 90, not 100: [50, 40]"),
        (no_branches, "G125", "an ensemble without branches"),
        (same_branch, "G126", "branch 'a' is named twice"),
        (unknown_combine, "G127", "combine='median' is unknown; there are dict, mean, vote"),
        (wrong_length, "G210", "expected 4 on axis 1 (Tensor[batch, 4]), got 3"),
        (wrong_rank, "G210", "expected rank 1 (Tensor[batch]), got rank 2"),
        (wrong_dtype, "G210", "expected dtype int64, got float32"),
        (wrong_form, "G210", "expected Tensor[batch, 4], got str"),
        (uneven, "G210", "expected 4 on axis 1 (Tensor[batch, width]), got 3"),
        (unused_input, "G220", "input 'y' is never used"),
        (unused_call, "G220", "the result of 'four' is never used"),
    ],
)
def test_a_mistake_has_one_finding(function: Callable[..., Any], code: str, words: str) -> None:
    finding = finding_of(function)
    assert finding.code == f"UMB-{code}"
    assert words in finding.message
    assert finding.fix or code == "G110"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": Batch(max_size=0)}, "Batch(max_size=0) is below 1"),
        ({"batch": Batch(max_wait_ms=-1)}, "Batch(max_wait_ms=-1) is negative"),
        ({"scale": Scale(min=3, max=2)}, "Scale(min=3, max=2) leaves no room"),
        ({"scale": Scale(target=0)}, "Scale(target=0) is not positive"),
        ({"cpus": -1}, "cpus=-1 is negative"),
        ({"gpus": 1.5}, "above 1 only whole GPUs can be had"),
        ({"fuse": "always", "scale": Scale()}, 'fuse="always" contradicts'),
    ],
)
def test_options_that_contradict_themselves(options: dict[str, Any], words: str) -> None:
    node = transformer(name="odd", **options)(lambda x: x)

    def graph(x):
        return node(x)

    finding = finding_of(graph)
    assert (finding.code, finding.subject) == ("UMB-G250", "odd")
    assert words in finding.message


def test_a_model_that_is_not_there() -> None:
    model = predictor("sklearn", uri="nowhere/iris.skops")

    def graph(x):
        return model(x)

    finding = finding_of(graph)
    assert finding.code == "UMB-G240"
    assert "nowhere/iris.skops" in finding.message


@pytest.mark.parametrize("name", ["v2", "a b", "a/b", "", "-", "ends-", "with\n", "ü"])
def test_a_name_that_cannot_be_a_path(name: str) -> None:
    @inference_graph(name=name or " ")
    def graph(x):
        return four(x)

    (finding,) = check(infer(graph.program()))
    assert finding.code == "UMB-G201"


def test_graphs_that_call_each_other() -> None:
    @inference_graph
    def ping(x):
        return pong(x)

    @inference_graph
    def pong(x):
        return ping(four(x))

    (finding,) = check(infer(ping.program()))
    assert finding.code == "UMB-G213"
    assert "ping → pong → ping" in finding.message
    assert finding.place.line
    with pytest.raises(CheckFailed, match="UMB-G213"):
        ping.local([[1, 2, 3, 4]])


def test_a_graph_that_calls_itself() -> None:
    @inference_graph
    def loop(x):
        return switch(when(x > 0, loop(x - 1)), otherwise(x))

    assert [f.code for f in check(infer(loop.program()))] == ["UMB-G213"]


def test_a_value_of_another_graph() -> None:
    kept: list[Any] = []

    @inference_graph
    def first(x):
        kept.append(four(x))
        return kept[0]

    @inference_graph
    def second(x):
        return two(x, kept[0])

    first.graph()
    second.graph()
    assert [f.code for f in second.findings] == ["UMB-G104"]


def test_all_mistakes_of_a_graph_come_at_once() -> None:
    def graph(x, y):
        a = switch(when(x > 0, four(x)))
        b = splitter(a=(50, x), b=(40, x))
        c = flat(three(x))
        return ensemble(a=a, b=b, c=c, combine="sum")

    definition = inference_graph(graph)
    program = infer(definition.program())
    codes = [f.code for f in [*definition.findings, *check(program)]]
    assert codes == ["UMB-G121", "UMB-G127", "UMB-G210", "UMB-G220", "UMB-G230"]


def test_an_input_of_two_consumers_takes_the_narrower_dtype() -> None:
    @inference_graph
    def wide_first(x):
        return two(scores_of_floats(x), whole(x))

    program = infer(wide_first.program())
    assert check(program) == []
    assert str(program.graphs["wide_first"].signature.inputs[0].type) == "Tensor[batch, 4] int64"


@transformer
def scores_of_floats(x: Floats) -> Flat:
    return x
