"""The data plane's client beside what goes wrong, and in the places where programs use it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import email.utils
import gzip
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from faulty_server import FaultyServer, faulty_server
from loopback_server import Client, serving
from scripted_server import scripted_server, whole
from umbel import (
    AsyncInferenceClient,
    DeadlineExceeded,
    DeclarationError,
    InferenceClient,
    InvalidInput,
    Retry,
    Tensor,
    inference_graph,
    predictor,
)
from umbel.graph.errors import RequestFailed, UpstreamAnswered

QUICK = Retry(attempts=3, backoff_ms=1)
ANSWER = json.dumps({"predictions": [7]}).encode()
JSON = b"content-type: application/json"
Rows = Tensor["float32", "rows", "columns"]


@predictor
def same(x: Rows) -> Rows:
    return x


@inference_graph
def echo(x: Rows) -> Rows:
    return same(x)


@pytest.fixture()
def server() -> Iterator[FaultyServer]:
    with faulty_server() as state:
        state.body = ANSWER
        yield state


@pytest.fixture(scope="module")
def echoing() -> Iterator[Client]:
    with serving(echo, body_limit=1024**3) as client:
        yield client


def test_the_host_header_is_one(server: FaultyServer) -> None:
    """KServe's users behind a gateway send one."""
    with InferenceClient(f"{server.url}/m", headers={"Host": "iris.example.com"}) as client:
        client.predict([1])
        client.predict([1], headers={"host": "tag-iris.example.com"})
    hosts = [asked[2]["host"] for asked in server.requests]
    assert hosts == ["iris.example.com", "tag-iris.example.com"]


def test_a_token_from_a_file_is_read_again(server: FaultyServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    with InferenceClient(f"{server.url}/m", token_file=file) as client:
        client.predict([1])
        file.write_text("two")
        client.predict([1])
        client.predict([1], headers={"Authorization": "Basic me"})
        file.write_text("")
        with pytest.raises(DeclarationError, match="expected a token, the file is empty"):
            client.predict([1])
        file.unlink()
        with pytest.raises(DeclarationError, match="token_file .*No such file"):
            client.predict([1])
    sent = [asked[2]["authorization"] for asked in server.requests]
    assert sent == ["Bearer one", "Bearer two", "Basic me"]


def test_too_many_requests_is_asked_again_where_it_says_when() -> None:
    soon = datetime.now(timezone.utc) + timedelta(seconds=2)
    date = b"retry-after: " + email.utils.format_datetime(soon, usegmt=True).encode()
    busy = whole(b"", b"retry-after: 0", status=b"429 Busy")
    later, good = whole(b"", date, status=b"503 Later"), whole(ANSWER, JSON)
    with (
        scripted_server([busy, b""], [later, b""], [good]) as server,
        InferenceClient(f"{server.url}/m", retry=QUICK) as client,
    ):
        begun = time.monotonic()
        assert client.predict([1]) == [7]
        assert time.monotonic() - begun > 0.5
    without = whole(b"", status=b"429 Busy")
    with (
        scripted_server([without]) as server,
        InferenceClient(f"{server.url}/m", retry=QUICK) as client,
        pytest.raises(UpstreamAnswered),
    ):
        client.predict([1])


def test_a_pause_longer_than_the_deadline_is_not_waited_for() -> None:
    busy = whole(b"", b"retry-after: 30", status=b"429 Busy")
    begun = time.monotonic()
    with (
        scripted_server([busy]) as server,
        InferenceClient(f"{server.url}/m", retry=QUICK, timeout_s=5) as client,
        pytest.raises(UpstreamAnswered),
    ):
        client.predict([1])
    assert time.monotonic() - begun < 4


def test_a_redirect_tells_the_address() -> None:
    moved = whole(b"", b"location: https://elsewhere/m", status=b"301 Moved")
    with (
        scripted_server([moved]) as server,
        InferenceClient(f"{server.url}/m", retry=QUICK) as client,
        pytest.raises(RequestFailed, match="it is at https://elsewhere/m: give the client"),
    ):
        client.predict([1])


def test_half_a_reply_is_asked_for_again() -> None:
    half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"
    with (
        scripted_server([half, b""], [whole(ANSWER, JSON)]) as server,
        InferenceClient(f"{server.url}/m", retry=QUICK) as client,
    ):
        assert client.predict([1]) == [7]
        assert len(server.asked) == 2
    with (
        scripted_server([half, b""]) as server,
        InferenceClient(f"{server.url}/m", retry=QUICK) as client,
        pytest.raises(RequestFailed, match="does not answer"),
    ):
        client.predict([1])


def test_a_slow_body_ends_at_the_deadline() -> None:
    slow = [b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", *[b"x", 0.1] * 50]
    with (
        scripted_server(slow) as server,
        InferenceClient(f"{server.url}/m", timeout_s=0.5) as client,
        pytest.raises(DeadlineExceeded),
    ):
        client.predict([1])


def test_compressed_answers_and_their_limit() -> None:
    packed = whole(gzip.compress(ANSWER), JSON, b"content-encoding: gzip")
    bomb = whole(gzip.compress(b" " * 20_000_000), JSON, b"content-encoding: gzip")
    with (
        scripted_server([packed, b""], [bomb, b""]) as server,
        InferenceClient(f"{server.url}/m", message_limit=1_000_000, retry=QUICK) as client,
    ):
        assert client.predict([1]) == [7]
        with pytest.raises(RequestFailed, match="more than 1000000 bytes: give the client"):
            client.predict([1])


def test_connections_are_kept_and_limited(server: FaultyServer) -> None:
    server.delay_s = 0.05
    with (
        InferenceClient(f"{server.url}/m", connections=2) as client,
        concurrent.futures.ThreadPoolExecutor(16) as pool,
    ):
        assert list(pool.map(client.predict, [[1]] * 16)) == [[7]] * 16
    assert len(server.connections) == 2


def test_thirty_two_threads(echoing: Client) -> None:
    with InferenceClient(f"http://127.0.0.1:{echoing.port}/echo") as client:

        def once(number: int) -> bool:
            rows = np.full((3, 2), float(number), dtype=np.float32)
            return bool((client.infer({"x": rows}).array == rows).all())

        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            assert all(pool.map(once, range(640)))


def test_one_loop_after_the_other(server: FaultyServer) -> None:
    client = AsyncInferenceClient(f"{server.url}/m")

    async def once() -> object:
        return await client.predict([1])

    async def last() -> object:
        async with client:
            return await once()

    assert [asyncio.run(once()), asyncio.run(last())] == [[7], [7]]


def test_two_loops_at_once_are_refused(server: FaultyServer) -> None:
    client, other = AsyncInferenceClient(f"{server.url}/m"), asyncio.new_event_loop()
    thread = threading.Thread(target=other.run_forever)
    thread.start()
    try:
        first = asyncio.run_coroutine_threadsafe(client.predict([1]), other)
        assert first.result(5) == [7]

        async def once() -> None:
            with pytest.raises(RuntimeError, match="belongs to another event loop"):
                await client.predict([1])

        asyncio.run(once())
        asyncio.run_coroutine_threadsafe(client.close(), other).result(5)
    finally:
        other.call_soon_threadsafe(other.stop)
        thread.join()
        other.close()


FORKS = """
import os, sys, warnings
warnings.simplefilter("ignore")
from umbel import InferenceClient
client = InferenceClient(sys.argv[1])
print("parent", client.predict([1]), flush=True)
child = os.fork()
if not child:
    print("child", client.predict([1]), flush=True)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print("parent", client.predict([1]), flush=True)
"""


def test_a_process_that_forks(server: FaultyServer) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS, f"{server.url}/m"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n")[:3] == ["parent [7]", "child [7]", "parent [7]"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_authority_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    from self_signed import self_signed

    certificate, key = self_signed(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    with scripted_server([whole(ANSWER, JSON)], tls=tls) as server:
        with InferenceClient(f"{server.url}/m", ca_file=certificate) as client:
            assert client.predict([1]) == [7]
        with (
            InferenceClient(f"{server.url}/m", retry=QUICK) as client,
            pytest.raises(RequestFailed, match="(?i)certificate"),
        ):
            client.predict([1])
    with pytest.raises(DeclarationError, match="ca_file .*expected certificates"):
        InferenceClient("https://localhost/m", ca_file=tmp_path / "none.pem")


def test_a_base_with_a_path(server: FaultyServer) -> None:
    with InferenceClient(f"{server.url}/serving/default/iris/") as client:
        client.predict([1])
        assert client.model == "iris"
    assert server.requests[0][1] == "/serving/default/iris/v1/models/iris:predict"


def test_large_bodies_both_ways(echoing: Client) -> None:
    """In parts, which aiohttp neither copies nor warns of."""
    rows = np.arange(4_000_000, dtype=np.float32).reshape(-1, 4)  # 16 MB
    with InferenceClient(f"http://127.0.0.1:{echoing.port}/echo", timeout_s=30) as client:
        found = client.infer({"x": rows}).array
        assert found.tobytes() == rows.tobytes()
        found[0, 0] = 1  # writable, and its own memory
    with (
        InferenceClient(f"http://127.0.0.1:{echoing.port}/echo", message_limit=1000) as client,
        pytest.raises(RequestFailed, match="more than 1000 bytes"),
    ):
        client.infer({"x": rows[:1000]})


async def test_the_host_of_grpc() -> None:
    grpc = pytest.importorskip("grpc")
    from umbel.serving.grpc_protocol import messages

    asked: list[str] = []

    def ready(request: bytes, context: object) -> bytes:
        asked.append(context._rpc_event.call_details.host.decode())  # type: ignore[attr-defined]
        return messages.ServerReadyResponse(ready=True).SerializeToString()  # type: ignore[no-any-return]

    handler = grpc.unary_unary_rpc_method_handler(ready)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    generic = grpc.method_handlers_generic_handler(messages.SERVICE, {"ServerReady": handler})
    server.add_generic_rpc_handlers((generic,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        url = f"grpc://127.0.0.1:{port}/m"
        async with AsyncInferenceClient(url, headers={"Host": "iris.example.com"}) as client:
            assert await client.is_server_ready()
            with pytest.raises(DeclarationError, match="one host for all calls"):
                await client.infer({"x": np.ones(1)}, headers={"Host": "other"})
    finally:
        server.stop(0).wait()
    assert asked == ["iris.example.com"]


def test_what_generate_takes() -> None:
    with (
        InferenceClient("http://127.0.0.1:9/m") as client,
        pytest.raises(InvalidInput, match="expected inputs by name.*or a text, got int"),
    ):
        client.generate(7)
