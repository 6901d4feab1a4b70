"""Arrays made here, looked at in an environment of its own, and compared here again."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from umbel import inference_graph, transformer


def values() -> dict[str, Any]:
    """One of each kind that models exchange, and one too large for a message."""
    rng = np.random.default_rng(0)
    return {
        "float16": rng.normal(size=(3, 4)).astype(np.float16),
        "float64": rng.normal(size=(5,)),
        "bool": np.array([[True, False]]),
        "int64": np.arange(6).reshape(2, 3).T,
        "uint8": np.zeros((0, 3), np.uint8),
        "text": np.array(["ä", "text"]),
        "objects": np.array(["text", "ü"], dtype=object),
        "bytes": np.array([b"\xff\x00", b""], dtype=object),
        "scalar": np.float32(0.1),
        "large": rng.normal(size=(3_000_000,)),
    }


@transformer(fuse="always")
def make(x):
    return values()


@transformer(env={"py_executable": os.environ.get("UMBEL_TEST_PYTHON", "python")})
def elsewhere(given, big):
    here = {name: (array.dtype.str, array.shape) for name, array in given.items()}
    wanted = {name: (array.dtype.str, array.shape) for name, array in values().items()}
    assert here == wanted, (here, wanted)
    return {"numpy": np.__version__, "given": given, "big": big * 2}


@transformer(fuse="always")
def compare(answer, given):
    back = answer["given"]
    equal = {
        name: bool(
            back[name].dtype == array.dtype
            and back[name].shape == array.shape
            and (np.asarray(back[name]) == np.asarray(array)).all()
        )
        for name, array in given.items()
    }
    doubled = bool((answer["big"] == given["large"] * 2).all())
    return {"here": np.__version__, "there": answer["numpy"], **equal, "doubled": doubled}


@transformer(fuse="always")
def large(given):
    return given["large"]


@inference_graph
def across(x):
    given = make(x)
    return compare(elsewhere(given, large(given)), given)
