"""Requests as bytes on the wire, with what a right answer looks like."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).resolve().parents[1] / "models"


@dataclass(frozen=True)
class Exchange:
    """``right`` tells whether a body is the right answer; numbers may differ by 1e-3."""

    request: bytes
    expected: Any
    binary: bool = False

    def right(self, status: int, head: bytes, body: bytes) -> bool:
        """Whether this is the answer. Decodes the body: not for the hot path."""
        if status != 200:
            return False
        try:
            got = _tensor(head, body) if self.binary else json.loads(body)["predictions"]
            return bool(np.allclose(np.asarray(got, np.float64), self.expected, 1e-3, 1e-3))
        except (ValueError, KeyError, TypeError):
            return False


def exchanges(workload: str, path: str) -> tuple[Exchange, ...]:
    """The requests of a workload for a server that answers under ``path``."""
    examples = json.loads((MODELS / "requests.json").read_text(encoding="utf-8"))[workload]
    if workload == "tensor":
        return tuple(_binary(example, path) for example in examples)
    return tuple(
        Exchange(
            _http(path, json.dumps({"instances": example["instances"]}).encode()),
            np.asarray(example["predictions"], np.float64),
        )
        for example in examples
    )


def _http(path: str, body: bytes, headers: Sequence[str] = ()) -> bytes:
    kind = "application/octet-stream" if headers else "application/json"
    lines = [
        f"POST {path} HTTP/1.1",
        "host: 127.0.0.1",
        f"content-type: {kind}",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _binary(example: dict[str, Any], path: str) -> Exchange:
    """A V2 request with one binary tensor of 1 MiB, answered by another."""
    x = np.random.default_rng(example["seed"]).random((512, 512), dtype=np.float32)
    sizes = {"binary_data_size": x.nbytes}
    tensor = {"name": "x", "shape": [512, 512], "datatype": "FP32", "parameters": sizes}
    head = json.dumps(
        {"id": "1", "inputs": [tensor], "parameters": {"binary_data_output": True}}
    ).encode()
    request = _http(path, head + x.tobytes(), [f"inference-header-content-length: {len(head)}"])
    return Exchange(request, (x * np.float32(1.01) + np.float32(0.5)).astype(np.float64), True)


def _tensor(head: bytes, body: bytes) -> Any:
    mark = b"inference-header-content-length:"
    at = head.index(mark) + len(mark)
    length = int(head[at:].split(b"\r\n", 1)[0])
    shape = json.loads(body[:length])["outputs"][0]["shape"]
    return np.frombuffer(body[length:], np.float32).reshape(shape)
