"""``GET /v2/models/NAME/config``, Triton's model configuration, as far as it can be told."""

from __future__ import annotations

from typing import Any

from umbel.graph.value_types import Signature
from umbel.serving.protocols import metadata


def model_config(name: str, signature: Signature) -> dict[str, Any]:
    """Name, inputs and outputs. ``max_batch_size`` 0, in Triton's words: shapes are whole."""
    told = metadata.model_metadata(name, signature)
    return {
        "name": name,
        "platform": told["platform"],
        "backend": told["platform"],
        "max_batch_size": 0,
        "input": [_tensor(one) for one in told["inputs"]],
        "output": [_tensor(one) for one in told["outputs"]],
    }


def _tensor(told: dict[str, Any]) -> dict[str, Any]:
    kind = "STRING" if told["datatype"] == "BYTES" else told["datatype"]
    return {"name": told["name"], "data_type": f"TYPE_{kind}", "dims": told["shape"]}
