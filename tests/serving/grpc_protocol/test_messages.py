"""The messages are the protocol's own, and live beside those of other libraries."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

messages = pytest.importorskip("umbel.serving.grpc_protocol.messages")
descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")

FOLDER = Path(__file__).resolve().parents[3] / "serving" / "grpc_protocol"

OURS = "umbel.serving.grpc_protocol.front"
TRITON = "tritonclient.grpc.service_pb2"
KSERVE = "kserve.protocol.grpc.grpc_predict_v2_pb2"

KSERVE_MODEL_FIRST = {
    "RepositoryModelLoadRequest": {1: "repository_or_model_name", 2: "model_name"},
    "RepositoryModelUnloadRequest": {1: "repository_or_model_name", 2: "model_name"},
}
"""Where KServe and Triton disagree: both numbers are read."""


@pytest.mark.parametrize("theirs", [TRITON, KSERVE])
@pytest.mark.parametrize("ours_first", [True, False])
def test_umbel_and_a_stock_client_share_a_process(theirs: str, ours_first: bool) -> None:
    order = (OURS, theirs) if ours_first else (theirs, OURS)
    run_beside(
        theirs,
        f"import {order[0]}, {order[1]}\n"
        f"from {theirs} import ModelInferRequest\n"
        "from umbel.serving.grpc_protocol import messages\n"
        "sent = ModelInferRequest(model_name='m', raw_input_contents=[b'1'])\n"
        "got = messages.ModelInferRequest.FromString(sent.SerializeToString())\n"
        "assert (got.model_name, list(got.raw_input_contents)) == ('m', [b'1'])\n",
    )


@pytest.mark.parametrize("library", [TRITON, KSERVE])
def test_names_numbers_and_types_are_those_of(library: str) -> None:
    printed = run_beside(library, f"import {library} as m; print(m.DESCRIPTOR.serialized_pb.hex())")
    theirs = _fields(descriptor_pb2.FileDescriptorProto.FromString(bytes.fromhex(printed)))
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


def run_beside(library: str, script: str) -> str:
    """What ``script`` prints, in a process of its own: the libraries do not bear one another."""
    if importlib.util.find_spec(library.partition(".")[0]) is None:
        pytest.skip(f"{library} is not installed")
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
