"""Triton's classification extension: of an output the highest classes, as text.

An output asked for with ``classification: k`` becomes BYTES ``[…, k]``, each element
``VALUE:CLASS``, highest first, of its last axis.
"""

from __future__ import annotations

import numpy as np

from umbel.graph.errors import InvalidInput
from umbel.nodes.descriptions import clip, describe
from umbel.serving.protocols.payload import Array, RequestedOutput, Tensor

PARAMETER = "classification"


def classified(tensor: Tensor, asked: RequestedOutput) -> Tensor:
    """The tensor, or its highest classes if the client asks for them. Raises InvalidInput for
    a number that is none, and for an output that is no tensor of numbers."""
    most = asked.parameters.get(PARAMETER)
    if most is None:
        return tensor
    what = f"output {clip(tensor.name)!r}"
    if type(most) is not int or most < 1:
        raise InvalidInput(f"{what}: expected {PARAMETER} to be 1 or more, got {describe(most)}")
    if tensor.array.dtype.kind not in "iuf" or tensor.array.ndim < 1:
        raise InvalidInput(
            f"{what}: expected numbers for each class, got {tensor.datatype} of shape "
            f"{list(tensor.shape)}: ask without {PARAMETER}"
        )
    classes = tensor.array.shape[-1]
    rows = tensor.array.reshape(-1, classes) if classes else tensor.array.reshape(0, 0)
    count = min(most, classes)
    order = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :count]
    found: Array = np.empty(order.shape, object)
    for place, index in np.ndenumerate(order):
        found[place] = f"{rows[place[0], index]:f}:{index}".encode()
    shape = (*tensor.shape[:-1], count)
    return Tensor(tensor.name, "BYTES", shape, found.reshape(shape), tensor.parameters)
