"""What a V2 inference gave, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from umbel.graph.errors import NotFound
from umbel.nodes.descriptions import listing
from umbel.serving.protocols.payload import Array, InferResponse, Parameters, Tensor


@dataclass(frozen=True, eq=False)
class InferenceResult:
    """The outputs by name, in the server's order, and what else the answer said.

    Text outputs are arrays of ``str``; BYTES that are no UTF-8 are arrays of ``bytes``.
    """

    model_name: str
    model_version: str | None
    id: str
    outputs: Mapping[str, Array]
    parameters: Parameters

    def __getitem__(self, name: str) -> Array:
        """One output. Raises ``NotFound`` with the names there are."""
        if name not in self.outputs:
            raise NotFound(f"there is no output {name!r}; there are: {listing(list(self.outputs))}")
        return self.outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    @property
    def array(self) -> Array:
        """The only output. Raises ``NotFound`` where there are none or several."""
        if len(self.outputs) != 1:
            names = listing(list(self.outputs)) or "none"
            raise NotFound(f"expected one output, the answer has {names}: name the one you want")
        return next(iter(self.outputs.values()))


def result_of(response: InferResponse) -> InferenceResult:
    """The response's tensors as arrays."""
    return InferenceResult(
        response.model_name,
        response.model_version,
        response.id,
        {tensor.name: _array(tensor) for tensor in response.outputs},
        response.parameters,
    )


def _array(tensor: Tensor) -> Array:
    if tensor.datatype != "BYTES":
        return tensor.array
    try:
        texts = [element.decode() for element in tensor.array.reshape(-1).tolist()]
    except UnicodeDecodeError:
        return tensor.array
    objects: Array = np.empty(len(texts), dtype=object)
    objects[:] = texts
    return objects.reshape(tensor.shape)
