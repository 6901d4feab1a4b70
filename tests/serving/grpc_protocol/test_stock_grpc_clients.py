"""Unchanged clients of Triton and KServe against ``umbel run``, in process and on Ray."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from free_ports import free_port_pair

triton = pytest.importorskip("tritonclient.grpc")

HERE = Path(__file__).parent
KSERVE_PYTHON = os.environ.get("UMBEL_KSERVE_PYTHON", sys.executable)
"""KServe pins an older protobuf than umbel's other libraries: it may need its own Python."""

ROWS = np.array([[51.0, 35.0, 14.0, 2.0], [67.0, 31.0, 56.0, 24.0]])


@contextlib.contextmanager
def umbel_run(*options: str) -> Iterator[str]:
    """The address of gRPC, ``host:port``. The run has to end well and quietly."""
    process = subprocess.Popen(
        [sys.executable, "-m", "umbel", "run", str(HERE / "served_iris.py"), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = ""
    try:
        for line in process.stdout:
            if line.startswith("ready grpc://"):
                address = line.split("grpc://")[1].strip()
                yield address
                break
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert address, errors
    assert (process.returncode, errors) == (0, "")


@pytest.fixture(scope="module")
def local() -> Iterator[str]:
    with umbel_run("--local", "--port", str(free_port_pair())) as address:
        yield address


def triton_is_served(address: str) -> None:
    with contextlib.closing(triton.InferenceServerClient(address)) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.get_model_metadata("iris").inputs[0].name == "millimetres"
        given = triton.InferInput("millimetres", list(ROWS.shape), "FP64")
        given.set_data_from_numpy(ROWS)
        asked = triton.InferRequestedOutput("output-0")
        result = client.infer("iris", [given], outputs=[asked], request_id="7", client_timeout=20)
        assert result.get_response().id == "7"
        assert result.as_numpy("output-0").tolist() == [0, 2]
        given = triton.InferInput("any", list(ROWS.shape), "FP64")
        given.set_data_from_numpy(ROWS / 10)
        assert client.infer("species", [given]).as_numpy("output-0").tolist() == [0, 2]
        with pytest.raises(triton.InferenceServerException, match="nobody does not exist"):
            client.infer("nobody", [given])
        with pytest.raises(triton.InferenceServerException, match="DEADLINE|Deadline"):
            client.infer("late", [given], client_timeout=0.2)


def kserve_is_served(address: str) -> None:
    probe = [KSERVE_PYTHON, "-c", "import kserve"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("kserve is not installed; UMBEL_KSERVE_PYTHON names a Python that has it")
    done = subprocess.run(
        [KSERVE_PYTHON, str(HERE / "kserve_client.py"), address],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_triton_in_process(local: str) -> None:
    triton_is_served(local)


def test_kserve_in_process(local: str) -> None:
    kserve_is_served(local)


@pytest.mark.ray
def test_both_on_ray() -> None:
    pytest.importorskip("ray.serve")
    with umbel_run("--port", str(free_port_pair())) as address:
        triton_is_served(address)
        kserve_is_served(address)


def test_a_taken_port_is_an_error_if_it_was_asked_for() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "umbel", "run", "--local", "--port", "0"]
        command += ["--grpc-port", port, str(HERE / "served_iris.py")]
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used for gRPC" in done.stderr
    assert "Traceback" not in done.stderr
