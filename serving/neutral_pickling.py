"""Values between processes of different environments, with numpy 1.26 in one and 2 in another.

numpy's own pickles name its inner modules, which moved with numpy 2. Here arrays travel as
dtype, shape and buffer, so that each side rebuilds them with the numpy it has; large buffers go
out of band, without a copy, wherever the one who pickles takes them so.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ray import cloudpickle

Buffers = Callable[[pickle.PickleBuffer], Any]


class NeutralPickler(cloudpickle.Pickler):
    """Pickles as Ray does, and arrays so that any numpy from 1.26 on can read them."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is np.ndarray:
            return _reduced(obj)
        if isinstance(obj, np.generic) and type(obj).__module__ == "numpy":
            return _scalar, (np.asarray(obj),)
        if isinstance(obj, np.dtype) and _is_plain(obj):
            return np.dtype, (_description(obj),)
        return super().reducer_override(obj)  # type: ignore[no-untyped-call]


class Parcel:
    """A value on its way to another environment: what is unpickled is the value itself."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __reduce_ex__(self, _protocol: Any) -> Any:
        buffers: list[pickle.PickleBuffer] = []
        file = io.BytesIO()
        pickler: Any = NeutralPickler
        pickler(file, protocol=5, buffer_callback=buffers.append).dump(self._value)
        return _opened, (file.getvalue(), *buffers)


def _opened(data: bytes, *buffers: Any) -> Any:
    return pickle.loads(data, buffers=buffers)  # noqa: S301  another replica of the same cluster


def on_host(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with tensors of a GPU copied to the host: the other process has another GPU, or
    none. Anything else is handed on as it is."""
    return {name: tensor_on_host(value) for name, value in values.items()}


def tensor_on_host(value: Any) -> Any:
    """One value of ``on_host``; tensors inside of dicts, lists and tuples too."""
    torch = sys.modules.get("torch")
    if torch is None:
        return value
    if isinstance(value, torch.Tensor):
        return value if value.device.type == "cpu" else value.detach().cpu()
    if type(value) is dict:
        return {name: tensor_on_host(one) for name, one in value.items()}
    if type(value) in (list, tuple) and any(isinstance(one, torch.Tensor) for one in value):
        return type(value)(tensor_on_host(one) for one in value)
    return value


def _reduced(array: Any) -> Any:
    if array.dtype == object:
        return _objects, (array.reshape(-1).tolist(), array.shape)
    if not _is_plain(array.dtype):
        return array.__reduce_ex__(5)
    description = _description(array.dtype)
    if array.size == 0 or array.dtype.itemsize == 0:
        return _empty, (description, array.shape)
    turned = array.flags.f_contiguous and not array.flags.c_contiguous
    flat: Any = np.ascontiguousarray(array.T if turned else array).reshape(-1)
    return _array, (pickle.PickleBuffer(flat.view(np.uint8)), description, array.shape, turned)


def _is_plain(dtype: Any) -> bool:
    """Whether its description tells all of it: not of dtypes that other libraries add."""
    return not dtype.hasobject and np.dtype(_description(dtype)) == dtype


def _description(dtype: Any) -> Any:
    return dtype.str if dtype.names is None else dtype.descr


def _array(buffer: Any, description: Any, shape: tuple[int, ...], turned: bool) -> Any:
    flat = np.frombuffer(buffer, dtype=np.dtype(description))
    return flat.reshape(shape[::-1]).T if turned else flat.reshape(shape)


def _empty(description: Any, shape: tuple[int, ...]) -> Any:
    return np.zeros(shape, dtype=np.dtype(description))


def _objects(items: list[Any], shape: tuple[int, ...]) -> Any:
    array = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        array[index] = item
    return array.reshape(shape)


def _scalar(array: Any) -> Any:
    return array[()]
