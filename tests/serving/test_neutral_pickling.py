"""What crosses environments arrives as it was, and names nothing of numpy's inside."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pytest.importorskip("ray")

from umbel.serving.neutral_pickling import Parcel, tensor_on_host


def crossed(value: Any) -> Any:
    data = pickle.dumps(Parcel(value), protocol=5)
    assert b"numpy.core" not in data
    assert b"numpy._core" not in data
    return pickle.loads(data)


dtypes = st.one_of(
    arrays.scalar_dtypes(),
    arrays.unicode_string_dtypes(min_len=1),
    arrays.byte_string_dtypes(min_len=1),
    arrays.array_dtypes(max_size=3),
)


@given(dtypes.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_side=0))))
def test_arrays_of_any_dtype(array: Any) -> None:
    back = crossed(array)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12).reshape(3, 4).T,
        np.arange(12)[::-2],
        np.asfortranarray(np.ones((2, 3, 4), np.float16)),
        np.array(7.5),
        np.zeros((0, 3), bool),
        np.array(["ä", ""]),
        np.array([b"\xff\x00", b""], dtype=object),
        np.array([["text", None], [{"a": np.float32(1)}, 2]], dtype=object),
        np.array(["2026-01-01"], "M8[D]"),
    ],
    ids=repr,
)
def test_arrays_in_any_order(array: Any) -> None:
    back = crossed({"inside": [array]})["inside"][0]
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tolist() == array.tolist()


def test_scalars_dtypes_and_frames() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.5, 1.5]})
    scalar, dtype, back = crossed((np.float16(1.5), np.dtype("<f2"), frame))
    assert type(scalar) is np.float16
    assert (scalar, dtype) == (1.5, np.dtype("<f2"))
    pandas.testing.assert_frame_equal(back, frame)


def test_large_buffers_are_not_copied() -> None:
    array = np.zeros(1_000_000)
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(Parcel(array), protocol=5, buffer_callback=buffers.append)
    assert len(data) < 1000
    assert np.shares_memory(np.frombuffer(buffers[0], np.uint8), array)
    assert pickle.loads(data, buffers=buffers).shape == (1_000_000,)


def test_tensors_of_another_device_are_brought_to_the_host() -> None:
    torch = pytest.importorskip("torch")
    here = torch.ones(3)
    told = tensor_on_host({"a": here, "b": [here, "text"]})
    assert told["a"] is here
    assert told["b"][0] is here
    with pytest.raises(NotImplementedError, match="meta"):  # a meta tensor has nothing to copy
        tensor_on_host({"a": torch.ones(3, device="meta")})
