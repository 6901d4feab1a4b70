"""Functions and classes become nodes, and a graph function's trace becomes a graph."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from typing import Any, TypedDict

import numpy as np
import pytest

import umbel
from umbel import Tensor, ensemble, inference_graph, predictor, transformer
from umbel.graph.errors import CheckFailed, DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.graph.steps import Call, Constant, Subgraph

Pair = tuple[int, int]
Rows = Tensor["float32", "batch", 4]


class Parts(TypedDict):
    low: int
    high: int


@transformer
def double(x: int) -> int:
    return 2 * x


@transformer
async def later(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


@transformer
def both(x: int) -> Pair:
    return x // 10, x % 10


@transformer
def parts(x: int) -> Parts:
    return {"low": x % 10, "high": x // 10}


@predictor
def less(x: int, y: int = 1) -> int:
    return x - y


@predictor
class Adder:
    built = 0

    def __init__(self, amount: int, *, factor: int = 1) -> None:
        Adder.cls.built += 1
        self.amount, self.factor = amount, factor

    def predict(self, x: int) -> int:
        return self.factor * x + self.amount


@predictor
class Later:
    async def predict(self, x: int) -> int:
        await asyncio.sleep(0)
        return -x


renamed = transformer(name="given")(lambda x: x)


def steps(graph: Any, kind: type) -> list[Any]:
    return [step for step in graph.graph().steps if isinstance(step, kind)]


def test_outside_a_graph_a_function_node_is_its_function() -> None:
    assert double(4) == 8
    assert both(42) == (4, 2)
    assert asyncio.run(later(4)) == 5


def test_outside_a_graph_a_class_node_is_built_once_and_called() -> None:
    before = Adder.cls.built
    add = Adder(5, factor=2)
    assert (add(1), add(x=2)) == (7, 9)
    assert Adder.cls.built == before + 1
    assert Later()(3) == -3


def test_a_chain_of_sync_async_and_class_nodes() -> None:
    @inference_graph
    def chain(x):
        return Later()(Adder(10)(later(double(x))))

    assert chain.local(4) == -19
    assert list(chain.graph().nodes) == ["double", "later", "Adder", "Later"]


def test_a_node_used_twice_is_one_node() -> None:
    @inference_graph
    def twice(x):
        return less(double(Adder(1)(x)), double(Adder(1)(double(x))))

    assert list(twice.graph().nodes) == ["Adder", "double", "less"]
    assert len(steps(twice, Call)) == 6
    assert twice.local(3) == 2 * 4 - 2 * 7


def test_the_same_class_set_up_differently_is_two_nodes() -> None:
    @inference_graph
    def two(x):
        return less(Adder(1)(x), Adder(2)(x))

    assert list(two.graph().nodes) == ["Adder", "Adder_2", "less"]
    assert two.local(0) == -1


def test_names_come_from_variables_or_are_given() -> None:
    plus_one = Adder(1)
    model = predictor("sklearn", uri="models/iris.skops")

    @inference_graph
    def named(x):
        return ensemble(a=plus_one(x), b=renamed(x), c=model(x))

    assert list(named.graph().nodes) == ["plus_one", "given", "model"]
    code = named.graph().nodes["model"].code
    assert isinstance(code, ModelFile)
    assert code.uri.endswith("tests/graph/models/iris.skops")


def test_several_inputs_by_position_by_name_and_by_default() -> None:
    @inference_graph
    def several(a, b=2, *, c=30):
        return less(x=a, y=less(b, y=c))

    assert several.local(1) == 1 - (2 - 30)
    assert several.local(1, 5, c=6) == 1 - (5 - 6)
    assert [(p.name, p.required) for p in several.graph().signature.inputs] == [
        ("a", True),
        ("b", False),
        ("c", False),
    ]
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        several.local()


def test_a_missing_optional_input_is_its_default_as_it_stands() -> None:
    @transformer
    def told(x: int, limit: Any) -> str:
        return f"{x} {limit}"

    @inference_graph
    def optional(x: int, limit: float | None = None):
        return told(x, limit)

    assert optional.local(1) == "1 None"
    assert optional.local(1, 2) == "1 2.0"


def test_tuple_outputs_are_unpacked_or_picked() -> None:
    @inference_graph
    def swapped(x):
        tens, ones = both(x)
        return ones, tens

    @inference_graph
    def picked(x):
        return both(x)[1]

    assert swapped.local(42) == {"output_0": 2, "output_1": 4}
    assert picked.local(42) == 2


def test_a_list_of_values_is_several_outputs_too() -> None:
    @inference_graph
    def listed(x):
        return [double(x), x]

    assert listed.local(2) == {"output_0": 4, "output_1": 2}


def test_typed_dict_outputs_are_picked_by_name_or_unpacked() -> None:
    @inference_graph
    def by_name(x):
        result = parts(x)
        return {"sum": less(result["high"], result["low"])}

    @inference_graph
    def whole(x):
        return parts(x)

    assert by_name.local(42) == {"sum": 2}
    assert whole.local(42) == {"low": 2, "high": 4}
    assert [p.name for p in whole.graph().signature.outputs] == ["low", "high"]
    assert whole.graph().signature.keyed


def test_an_output_that_does_not_exist_is_named() -> None:
    @inference_graph
    def wrong(x):
        return parts(x)["middle"]

    with pytest.raises(CheckFailed, match="no output 'middle'; there are low, high"):
        wrong.local(1)


def test_constants_and_operators() -> None:
    @inference_graph
    def sums(x):
        value = double(x)
        return ((10 - value) * 3 + 1 - 2 * value) / 2, -value, (value > 3) & ~(value == 8)

    assert sums.local(3) == {"output_0": 0.5, "output_1": -6, "output_2": True}
    assert len(steps(sums, Constant)) == 7


def test_reductions_and_selection() -> None:
    @inference_graph
    def reduced(x: list):
        return {"max": x.max(), "sum": x.sum(), "all": (x > 0).all(), "first": x[0]}

    assert reduced.local([3, 1, 2]) == {"max": 3, "sum": 6, "all": True, "first": 3}


def test_nested_graphs_have_scopes_of_their_own() -> None:
    @inference_graph
    def inner(x):
        return less(double(x), 1)

    @inference_graph
    def outer(x):
        return inner(inner(x))

    assert outer.local(3) == 9
    assert len(steps(outer, Subgraph)) == 2
    assert [g.name for g in outer.program()] == ["outer", "inner"]


@pytest.mark.parametrize("kind", ["tuple", "dict", "one key", "typed dict"])
def test_a_nested_graph_with_several_outputs(kind: str) -> None:
    def pair(x) -> Pair:
        return double(x), later(x)

    def keyed(x):
        return {"a": double(x), "b": later(x)}

    def one(x):
        return {"a": double(x)}

    def typed(x) -> Parts:
        return {"low": double(x), "high": later(x)}

    inner = inference_graph({"tuple": pair, "dict": keyed, "one key": one}.get(kind, typed))

    @inference_graph
    def outer(x):
        if kind == "tuple":
            a, b = inner(x)
            return less(a, b)
        result = inner(x)
        if kind == "one key":
            return result["a"]
        names = ("low", "high") if kind == "typed dict" else ("a", "b")
        return less(result[names[0]], result[names[1]])

    assert outer.local(5) == (10 if kind == "one key" else 4)


def test_graphs_are_told_apart_from_values_and_nodes() -> None:
    assert repr(double) == "<transformer double>"

    @inference_graph(name="shown", example=[1])
    def function(x):
        assert repr(x) == "<value of step 'x': any>"
        return double(x)

    assert repr(function) == "<inference graph shown>"
    assert function.graph().example == [1]


def test_ports_come_from_annotations() -> None:
    @predictor
    def model(x: Rows, limit: float = 0.5) -> np.ndarray:
        return x

    assert [str(port.type) for port in model.signature.inputs] == [
        "Tensor[batch, 4] float32",
        "float",
    ]
    assert model.signature.outputs[0].type.form == "ndarray"


@pytest.mark.parametrize(
    ("declare", "text"),
    [
        (lambda: transformer(3), "decorates a function or a class, not 3"),
        (lambda: predictor(type("Empty", (), {})), "class Empty needs a method predict or"),
        (lambda: predictor("sklearn"), 'needs uri="where/it/lies"'),
        (umbel.switch, "belongs into a function under @inference_graph"),
        (umbel.ensemble, "belongs into a function under @inference_graph"),
    ],
)
def test_a_wrong_declaration_says_where_and_what(declare: Any, text: str) -> None:
    with pytest.raises(DeclarationError, match=text):
        declare()


def test_a_class_set_up_with_wrong_arguments_fails_where_it_is_declared() -> None:
    with pytest.raises(DeclarationError, match=r"test_declaring.py:\d+ .*Adder.*'amount'"):
        Adder()


def test_callables_without_a_name_of_their_own_are_nodes() -> None:
    import functools

    add_two = transformer(functools.partial(lambda x, y: x + y, y=2))

    class Tripler:
        def __call__(self, x: int) -> int:
            return x * 3

    triple = transformer(Tripler())

    @inference_graph
    def odd(x):
        return triple(add_two(x))

    assert odd.local(1) == 9


def test_a_callable_whose_arguments_have_no_names_is_refused() -> None:
    with pytest.raises(DeclarationError, match="write a function with named arguments around it"):
        transformer(max)


def test_positional_only_inputs() -> None:
    @transformer
    def strict(a, /, b):
        return a - b

    @inference_graph
    def graph(x):
        return strict(x, 1)

    assert graph.local(3) == 2


def test_several_threads_that_call_first_build_once() -> None:
    built: list[int] = []

    @predictor
    class Slow:
        def __init__(self) -> None:
            built.append(1)
            time.sleep(0.05)

        def predict(self, x: int) -> int:
            return x

    node = Slow()

    @inference_graph
    def graph(x):
        return node(x)

    for call in (graph.local, node):
        built.clear()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert list(pool.map(call, range(8))) == list(range(8))
        assert built == [1]
