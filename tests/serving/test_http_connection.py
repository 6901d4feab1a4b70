"""The HTTP server on raw sockets: what clients of all kinds send, and how connections end."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umbel.serving import http_listener, http_requests
from umbel.serving.http_listener import HttpListener
from umbel.serving.wire import HttpRequest, Reply

Answer = Callable[[HttpRequest], Awaitable[Reply]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are looked after more often than once a second."""
    monkeypatch.setattr(http_listener, "_SWEEP_S", 0.05)


class Echo:
    """Answers with what came; ``/slow`` after a while, ``/stream`` in three parts."""

    body_limit = 1000

    def __init__(self) -> None:
        self.seen: list[HttpRequest] = []
        self.cancelled = 0
        self.stream_closed = False
        self.release = asyncio.Event()

    async def answer(self, request: HttpRequest) -> Reply:
        self.seen.append(request)
        if request.path == "/slow":
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if request.path == "/stream":
            return Reply(200, b"", {"content-type": "text/plain"}, self._parts())
        if request.path == "/split":
            return Reply(200, b"x", {"x-told": "a\r\nset-cookie: stolen"})
        if request.path in ("/204", "/304"):
            return Reply(int(request.path[1:]), b"a body nevertheless", {})
        if request.path == "/framed":
            framing = {"content-length": "9", "transfer-encoding": "chunked", "connection": "close"}
            return Reply(200, b"four", framing)
        if request.path == "/large":
            return Reply(200, bytes(50_000_000), {})
        if request.path == "/odd":
            return Reply(999, b"odd", {})
        text = f"{request.method} {request.path} {request.query} ".encode() + request.body
        return Reply(200, text, {"content-type": "text/plain"})

    async def _parts(self) -> AsyncIterator[bytes]:
        try:
            yield b"one"
            yield b""
            await self.release.wait()
            yield b"two"
        finally:
            self.stream_closed = True

    def cancels(self, request: HttpRequest) -> bool:
        return request.query != "stays"

    def refused(self, status: int, text: str) -> Reply:
        return Reply(status, text.encode(), {})


class Peer:
    """A client that sends and reads bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        status = int(head[0].split()[1])
        if status == 100:
            return status, headers, b""
        return status, headers, await self.reader.readexactly(int(headers["content-length"]))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@asynccontextmanager
async def served(**options: float) -> AsyncIterator[tuple[Echo, HttpListener, int]]:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    app = Echo()
    listener = HttpListener(app, **options)
    await listener.start(sock)
    try:
        yield app, listener, sock.getsockname()[1]
    finally:
        app.release.set()
        await listener.stop(5)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the condition is somebody else's state
            await asyncio.sleep(0.005)


async def test_one_connection_carries_many_requests() -> None:
    async with served() as (_, _, port), connected(port) as peer:
        for number in range(3):
            await peer.send(post(f"/n%20{number}?q=%20", b"body"))
            status, headers, body = await peer.reply()
            assert (status, body) == (200, f"POST /n {number} q=%20 body".encode())
            assert "connection" not in headers


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with served() as (app, _, port), connected(port) as peer:
        await peer.send(post("/slow", b"0") + b"".join(post(f"/{n}", b"") for n in range(1, 40)))
        await until(lambda: len(app.seen) == 1)
        app.release.set()
        bodies = [(await peer.reply())[2].split()[1] for _ in range(40)]
        assert bodies == [b"/slow", *(f"/{n}".encode() for n in range(1, 40))]


@given(st.lists(st.integers(1, 7), min_size=1, max_size=60), st.binary(max_size=60))
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_request_may_come_in_any_pieces(sizes: list[int], body: bytes) -> None:
    async def check() -> None:
        async with served() as (app, _, port), connected(port) as peer:
            data, at = post("/a", body, "X-One: 1"), 0
            for size in sizes:
                await peer.send(data[at : at + size])
                await asyncio.sleep(0)
                at += size
            await peer.send(data[at:])
            status, _, answer = await peer.reply()
            assert status == 200
            assert answer.endswith(body)
            assert app.seen[0].headers[-1] == ("x-one", "1")

    asyncio.run(check())


async def test_a_chunked_body_and_expect_continue() -> None:
    async with served() as (_, _, port), connected(port) as peer:
        await peer.send(
            b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert (await peer.reply())[0] == 100
        await peer.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        assert (await peer.reply())[2] == b"POST /c  abcde"


@pytest.mark.parametrize(
    ("request_line", "headers", "stays_open"),
    [
        ("GET / HTTP/1.0", "", False),
        ("GET / HTTP/1.0", "Connection: keep-alive\r\n", True),
        ("GET / HTTP/1.1", "Connection: close\r\n", False),
        ("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n", True),
        ("GET / HTTP/1.1", "", True),
    ],
)
async def test_who_wants_the_connection_closed(
    request_line: str, headers: str, stays_open: bool
) -> None:
    async with served() as (_, _, port), connected(port) as peer:
        await peer.send(f"{request_line}\r\nHost: x\r\n{headers}\r\n".encode())
        status, told, body = await peer.reply()
        assert (status, body) == (200, b"GET /  ")
        assert (told.get("connection") == "close") == (not stays_open)
        if not stays_open:
            assert await peer.reader.read() == b""


async def test_leave_to_go_on_comes_after_the_reply_that_is_owed() -> None:
    async with served() as (app, _, port), connected(port) as peer:
        expecting = (
            b"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        await peer.send(post("/slow", b"") + expecting)
        await until(lambda: len(app.seen) == 1)
        app.release.set()
        assert (await peer.reply())[2] == b"POST /slow  "
        assert (await peer.reply())[0] == 100
        await peer.send(b"ab")
        assert (await peer.reply())[2] == b"POST /c  ab"


async def test_an_error_comes_after_the_replies_that_are_owed() -> None:
    async with served() as (app, _, port), connected(port) as peer:
        await peer.send(post("/slow", b"") + post("/next", b"") + b"this is not http\r\n\r\n")
        await until(lambda: len(app.seen) == 1)
        app.release.set()
        assert (await peer.reply())[2] == b"POST /slow  "
        assert (await peer.reply())[2] == b"POST /next  "
        assert (await peer.reply())[0] == 400
        assert await peer.reader.read() == b""


async def test_what_follows_the_last_request_spoils_nothing() -> None:
    async with served() as (_, _, port), connected(port) as peer:
        await peer.send(post("/last", b"", "Connection: close") + b"\r\nmore")
        assert (await peer.reply())[2] == b"POST /last  "
        assert await peer.reader.read() == b""


@pytest.mark.parametrize("path", ["/204", "/304"])
async def test_some_replies_end_with_their_headers(path: str) -> None:
    async with served() as (_, _, port), connected(port) as peer:
        await peer.send(post(path, b"") + post("/next", b""))
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert head.split()[1] == path[1:].encode()
        assert b"content-length" not in head
        assert (await peer.reply())[2] == b"POST /next  "


async def test_no_header_of_a_reply_says_where_it_ends() -> None:
    async with served() as (_, _, port), connected(port) as peer:
        await peer.send(post("/framed", b"") + post("/next", b""))
        _, headers, body = await peer.reply()
        assert headers.pop("date")
        assert (headers, body) == ({"content-length": "4"}, b"four")
        assert (await peer.reply())[2] == b"POST /next  "


async def test_a_reply_says_when_it_was_made() -> None:
    async with served() as (_, _, port), connected(port) as peer:
        before = int(time.time())
        await peer.send(post("/a", b""))
        _, headers, _ = await peer.reply()
        made = parsedate_to_datetime(headers["date"]).timestamp()
        assert headers["date"].endswith("GMT")
        assert before <= made <= time.time()


async def test_head_has_the_length_and_no_body() -> None:
    async with served() as (_, _, port), connected(port) as peer:
        await peer.send(b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n" + post("/next", b""))
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 9" in head
        assert (await peer.reply())[2] == b"POST /next  "


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"this is not http\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: nine\r\n\r\n", 400),
        (post("/", b"x" * 1001), 413),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n"
            + b"x" * 1001,
            413,
        ),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * (http_requests.LARGEST_HEAD + 1), 431),
        (b"GET /" + b"y" * (http_requests.LARGEST_HEAD + 1), 431),
    ],
)
async def test_what_is_no_request_is_told_and_the_connection_ends(data: bytes, status: int) -> None:
    async with served() as (app, _, port), connected(port) as peer:
        await peer.send(data)
        found, headers, _ = await peer.reply()
        assert (found, headers["connection"]) == (status, "close")
        assert await peer.reader.read() == b""
        assert app.seen == []


async def test_a_client_that_sends_on_still_reads_why_it_was_refused() -> None:
    async with served() as (_, _, port), connected(port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n")
        for _ in range(20):
            await peer.send(b"x" * 10_000)
            await asyncio.sleep(0.002)
        assert (await peer.reply())[0] == 413


async def test_a_stream_goes_out_as_it_comes() -> None:
    async with served() as (app, _, port), connected(port) as peer:
        await peer.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert await peer.reader.readexactly(8) == b"3\r\none\r\n"
        app.release.set()
        assert await peer.reader.readexactly(13) == b"3\r\ntwo\r\n0\r\n\r\n"
        await peer.send(post("/after", b""))
        assert (await peer.reply())[2] == b"POST /after  "


async def test_a_client_that_leaves_a_stream_closes_it() -> None:
    async with served() as (app, _, port):
        async with connected(port) as peer:
            await peer.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            await peer.reader.readuntil(b"one\r\n")
        await until(lambda: app.stream_closed)


@pytest.mark.parametrize(("query", "cancelled"), [("", 1), ("?stays", 0)])
async def test_a_client_that_leaves_cancels_its_request(query: str, cancelled: int) -> None:
    async with served() as (app, _, port):
        async with connected(port) as peer:
            await peer.send(post("/slow" + query, b""))
            await until(lambda: len(app.seen) == 1)
        await asyncio.sleep(0.05)
        assert app.cancelled == cancelled


async def test_half_a_request_is_none() -> None:
    async with served() as (app, _, port):
        async with connected(port) as peer:
            await peer.send(post("/a", b"whole body")[:-3])
        await asyncio.sleep(0.05)
        assert app.seen == []


async def test_no_header_of_a_reply_begins_another() -> None:
    async with served() as (_, _, port), connected(port) as peer:
        await peer.send(post("/split", b""))
        _, headers, _ = await peer.reply()
        assert headers["x-told"] == "a  set-cookie: stolen"
        assert "set-cookie" not in headers


async def test_a_status_that_no_proxy_knows_is_a_502() -> None:
    async with served() as (_, _, port), connected(port) as peer:
        await peer.send(post("/odd", b""))
        assert (await peer.reply())[0] == 502


async def test_stopping_lets_requests_end_and_closes_the_rest() -> None:
    async with served() as (app, listener, port), connected(port) as busy, connected(port) as idle:
        await idle.send(post("/a", b""))
        await idle.reply()
        await busy.send(post("/slow", b""))
        await until(lambda: len(app.seen) == 2)
        stopping = asyncio.create_task(listener.stop(5))
        assert await idle.reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        app.release.set()
        status, headers, _ = await busy.reply()
        assert (status, headers["connection"]) == (200, "close")
        await stopping


async def test_stopping_does_not_wait_for_ever() -> None:
    async with served() as (app, listener, port), connected(port) as peer:
        await peer.send(post("/slow", b""))
        await until(lambda: len(app.seen) == 1)
        await listener.stop(0.05)
        assert await peer.reader.read() == b""
        await until(lambda: app.cancelled == 1)


async def test_a_request_that_does_not_arrive_is_given_up() -> None:
    async with served(receive_s=0.2) as (app, _, port), connected(port) as peer:
        await peer.send(post("/a", b"whole body")[:-3])
        assert (await peer.reply())[0] == 408
        assert app.seen == []


async def test_a_request_that_comes_byte_by_byte_is_given_up() -> None:
    async with served(receive_s=0.3, slowest=1000.0) as (app, _, port), connected(port) as peer:

        async def dribble() -> None:
            for byte in post("/a", b""):
                await peer.send(bytes([byte]))
                await asyncio.sleep(0.05)

        sending = asyncio.create_task(dribble())
        assert (await peer.reply())[0] == 408
        assert app.seen == []
        sending.cancel()


async def test_what_waits_for_its_turn_is_not_late() -> None:
    async with served(receive_s=0.2) as (app, _, port), connected(port) as peer:
        await peer.send(post("/slow", b"") + post("/next", b"body")[:-1])
        await asyncio.sleep(0.4)
        app.release.set()
        assert (await peer.reply())[2] == b"POST /slow  "
        await peer.send(b"y")
        assert (await peer.reply())[2] == b"POST /next  body"


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    async with served(send_s=0.2) as (_, listener, port), connected(port) as peer:
        await peer.send(post("/large", b""))
        await peer.reader.readuntil(b"\r\n\r\n")
        await until(lambda: not listener.connections)
        with pytest.raises(asyncio.IncompleteReadError):
            await peer.reader.readexactly(50_000_000)


async def test_a_request_on_its_way_to_a_server_that_stops_is_answered() -> None:
    async with served() as (_, listener, port), connected(port) as peer:
        await peer.send(post("/a", b""))
        await peer.reply()
        stopping = asyncio.create_task(listener.stop(5))
        await asyncio.sleep(0.01)
        await peer.send(post("/b", b""))
        status, headers, body = await peer.reply()
        assert (status, headers["connection"], body) == (200, "close", b"POST /b  ")
        await stopping


async def test_an_idle_connection_is_closed() -> None:
    async with served(keep_alive_s=0.2) as (_, _, port), connected(port) as peer:
        await peer.send(post("/a", b""))
        await peer.reply()
        assert await asyncio.wait_for(peer.reader.read(), 5) == b""


async def test_a_client_that_reads_slowly_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Echo, "body_limit", 20_000_000)
    async with served() as (_, _, port), connected(port) as peer:
        body = bytes(range(256)) * 40_000
        await peer.send(post("/big", body))
        await asyncio.sleep(0.1)
        assert (await peer.reply())[2].endswith(body)
