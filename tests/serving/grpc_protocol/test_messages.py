"""The messages are the protocol's own, and live beside those of other libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

messages = pytest.importorskip("umbel.serving.grpc_protocol.messages")
descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")

FOLDER = Path(__file__).resolve().parents[3] / "serving" / "grpc_protocol"

ORDERS = [
    ("umbel.serving.grpc_protocol.front", "tritonclient.grpc"),
    ("tritonclient.grpc", "umbel.serving.grpc_protocol.front"),
]

KSERVE_MODEL_FIRST = {
    "RepositoryModelLoadRequest": {1: "repository_or_model_name", 2: "model_name"},
    "RepositoryModelUnloadRequest": {1: "repository_or_model_name", 2: "model_name"},
}
"""Where KServe and Triton disagree: both numbers are read."""


@pytest.mark.parametrize("order", ORDERS, ids=lambda names: names[0].partition(".")[0] + "-first")
def test_umbel_and_a_stock_client_share_a_process(order: tuple[str, str]) -> None:
    pytest.importorskip("tritonclient.grpc")
    script = (
        f"import {order[0]}, {order[1]}\n"
        "from tritonclient.grpc import service_pb2\n"
        "from umbel.serving.grpc_protocol import messages\n"
        "sent = service_pb2.ModelInferRequest(model_name='m', raw_input_contents=[b'1'])\n"
        "got = messages.ModelInferRequest.FromString(sent.SerializeToString())\n"
        "assert (got.model_name, list(got.raw_input_contents)) == ('m', [b'1'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "library", ["tritonclient.grpc.service_pb2", "kserve.protocol.grpc.grpc_predict_v2_pb2"]
)
def test_names_numbers_and_types_are_those_of(library: str) -> None:
    pytest.importorskip(library.partition(".")[0])
    script = f"import {library} as m; print(m.DESCRIPTOR.serialized_pb.hex())"
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, text=True
    )
    file = descriptor_pb2.FileDescriptorProto.FromString(bytes.fromhex(printed.stdout))
    theirs = _fields(file)
    own_file = messages.ModelInferRequest.DESCRIPTOR.file
    ours = _fields(descriptor_pb2.FileDescriptorProto.FromString(own_file.serialized_pb))
    for message, fields in theirs.items():
        if message in KSERVE_MODEL_FIRST:
            assert {n: name for n, (name, *_) in ours[message].items()} == (
                KSERVE_MODEL_FIRST[message]
            )
        elif message in ours:
            assert fields.items() <= ours[message].items(), message
    assert {"ModelInferRequest", "ModelInferResponse", "InferTensorContents"} <= theirs.keys()


def test_the_committed_descriptors_are_those_of_the_definition(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc")
    out = tmp_path / "made.binpb"
    assert not protoc.main(
        ["", f"-I{FOLDER}", f"--descriptor_set_out={out}", "open_inference.proto"]
    )
    committed = (FOLDER / "open_inference.binpb").read_bytes()
    assert out.read_bytes() == committed


def _fields(proto: Any) -> dict[str, dict[int, tuple[str, int, bool]]]:
    """Of a file, nested messages included: message → number → name, type, is it repeated."""
    found: dict[str, dict[int, tuple[str, int, bool]]] = {}
    waiting = [(message.name, message) for message in proto.message_type]
    while waiting:
        name, message = waiting.pop()
        found[name] = {f.number: (f.name, f.type, f.label == 3) for f in message.field}
        waiting += [(f"{name}.{inner.name}", inner) for inner in message.nested_type]
    return found
