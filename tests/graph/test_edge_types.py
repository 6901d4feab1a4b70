"""What fits an input, and what annotations mean."""

from __future__ import annotations

from typing import Annotated, Any, Optional, TypedDict, Union

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel import Tensor, inference_graph, transformer
from umbel.graph.annotations import read_signature, value_type
from umbel.graph.edge_types import misfit
from umbel.graph.inference import infer
from umbel.graph.value_types import ANY, DTYPES, ValueType


class Named(TypedDict):
    a: int


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Tensor, "Tensor[any rank]"),
        (Tensor["batch", 4], "Tensor[batch, 4]"),
        (Tensor["float32", "batch"], "Tensor[batch] float32"),
        (Tensor["batch", "float32"], "Tensor[batch] float32"),
        (Tensor[np.int64, 3], "Tensor[3] int64"),
        (Tensor[np.dtype("uint8"), ..., 3], "Tensor[..., 3] uint8"),
        (Tensor[int], "Tensor[any rank] int64"),
        (Annotated[np.ndarray, Tensor["n"]], "Tensor[n]"),
        (Annotated[int, "a note"], "int"),
        (np.ndarray, "Tensor[any rank]"),
        (npt.NDArray[np.float32], "Tensor[any rank] float32"),
        (dict, "dict"),
        (dict[str, int], "dict"),
        (Named, "dict"),
        (list[int], "list"),
        (tuple[int, ...], "list"),
        (str, "str"),
        (bool, "bool"),
        (Optional[float], "float"),  # noqa: UP045
        (Union[int, str], "any"),  # noqa: UP007
        (int | None, "int"),
        (Any, "any"),
        (None, "any"),
        (object, "any"),
    ],
    ids=str,
)
def test_what_an_annotation_means(annotation: Any, text: str) -> None:
    assert str(value_type(annotation)) == text


def test_a_tensor_of_nonsense_is_refused() -> None:
    with pytest.raises(TypeError, match=r"axis names, lengths and a dtype, not 1.5"):
        Tensor[1.5]


def test_annotations_that_cannot_be_read_are_named() -> None:
    def function(x: Absent, y: int) -> Missing:  # type: ignore[name-defined]
        return x

    read = read_signature(function)
    assert read.unreadable == ("x: Absent", "return: Missing")
    assert [port.type.form for port in read.signature.inputs] == ["any", "int"]


def test_fields_of_a_typed_dict_are_typed_outputs() -> None:
    def function(x: int) -> Named:
        return {"a": x}

    signature = read_signature(function).signature
    assert signature.keyed
    assert [(port.name, port.type.form) for port in signature.outputs] == [("a", "int")]


dims = st.one_of(st.integers(1, 4), st.sampled_from(["batch", "n"]))
shapes = st.one_of(st.none(), st.lists(dims, max_size=3).map(tuple))
tensors = st.builds(
    ValueType, st.just("ndarray"), st.one_of(st.none(), st.sampled_from(sorted(DTYPES))), shapes
)


@given(tensors)
def test_a_type_fits_itself_and_anything(type_: ValueType) -> None:
    assert misfit(type_, ANY, {}) == ""
    assert misfit(ANY, type_, {}) == ""
    assert misfit(type_, type_, {}) == ""


@given(st.lists(st.integers(1, 4), max_size=3), st.lists(dims, max_size=3))
def test_fixed_shapes_fit_as_arrays_would(source: list[int], port: list[Any]) -> None:
    """A port fits an array's shape if its names can be given lengths."""
    bound: dict[str, int] = {}
    fits = len(source) == len(port) and all(
        have == (bound.setdefault(want, have) if isinstance(want, str) else want)
        for have, want in zip(source, port, strict=True)
    )
    told = misfit(
        ValueType("ndarray", None, tuple(source)), ValueType("ndarray", None, tuple(port)), {}
    )
    assert (told == "") == fits


@pytest.mark.parametrize(
    ("source", "port", "fits"),
    [
        (("...", 3), (3,), True),
        ((2, 3), ("...", 3), True),
        ((3,), ("...", 3), True),
        ((2,), ("...", 3), False),
        ((), ("...", 3), False),
        (("a", "b"), (2, 3), True),
        (("a",), ("b", "c"), False),
        (None, (1,), True),
    ],
)
def test_open_shapes(source: Any, port: Any, fits: bool) -> None:
    told = misfit(ValueType("ndarray", None, source), ValueType("ndarray", None, port), {})
    assert (told == "") == fits


@pytest.mark.parametrize(
    ("source", "port", "fits"),
    [
        ("int64", "float32", True),
        ("float64", "float32", True),
        ("float32", "int64", False),
        ("bool", "uint8", True),
        ("int8", "bool", False),
        ("str", "str", True),
        ("str", "float32", False),
        ("float32", "str", False),
        (None, "int8", True),
    ],
)
def test_dtypes(source: Any, port: Any, fits: bool) -> None:
    told = misfit(ValueType("ndarray", source), ValueType("ndarray", port), {})
    assert (told == "") == fits


def test_types_are_inferred_through_nodes_nested_graphs_and_inputs() -> None:
    rows = Tensor["int64", "batch", 4]

    def widened(x: Any) -> Any:
        return x

    widened.__annotations__ = {"x": Tensor["batch", "width"], "return": Tensor["width", "batch"]}
    transposed = transformer(name="transposed")(widened)

    def identity(x: Any) -> Any:
        return x

    identity.__annotations__ = {"x": rows, "return": rows}
    same = transformer(name="same")(identity)

    @inference_graph
    def inner(x):
        return transposed(same(x))

    @inference_graph
    def outer(x):
        return inner(x), same(x)

    signature = infer(outer.program()).graphs[outer.graph().name].signature
    assert str(signature.inputs[0].type) == "Tensor[batch, 4] int64"
    assert [str(port.type) for port in signature.outputs] == [
        "Tensor[4, batch]",
        "Tensor[batch, 4] int64",
    ]
