"""Requests as they come over the wire: what is read, what is refused, and that nothing is read
otherwise than another server would read it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umbel.serving import http_requests
from umbel.serving.http_requests import RequestReader
from umbel.serving.wire import HttpRequest

LIMIT = 1000


class Arrived:
    """What a reader tells."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.refusals: list[tuple[int, str]] = []
        self.continues = 0

    def arrived(self, request: HttpRequest) -> None:
        if not self.requests or self.requests[-1].keep_alive:  # or the connection has ended
            self.requests.append(request)

    def expects_continue(self) -> None:
        self.continues += 1

    def refuse(self, status: int, text: str) -> None:
        self.refusals.append((status, text))


def read(*parts: bytes) -> Arrived:
    found = Arrived()
    reader = RequestReader(found, LIMIT)
    for part in parts:
        reader.feed(part, 0.0)
    return found


def get(target: str = "/", *headers: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode("latin-1")


def post(*headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join(["POST /p HTTP/1.1", "Host: x", *headers, "", ""]).encode() + body


CHUNKED = "Transfer-Encoding: chunked"
JAVA = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        # Two lengths: another server may heed the other one.
        (post("Content-Length: 4", CHUNKED, body=b"0\r\n\r\n"), 400),
        (post(CHUNKED, "Content-Length: 4", body=b"0\r\n\r\n"), 400),
        (post("Content-Length: 2", "Content-Length: 3", body=b"abc"), 400),
        (post("Content-Length: 2, 2", body=b"ab"), 400),
        (post("Content-Length: +2", body=b"ab"), 400),
        (post("Content-Length: 0x2", body=b"ab"), 400),
        (post("Content-Length: ", body=b"ab"), 400),
        (post("Content-Length : 2", body=b"ab"), 400),
        (post("Content-Length: " + "9" * 5000), 400),
        (post("Content-Length: 1000000000"), 413),
        # A coding that is not undone, or may be read as none.
        (post("Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 501),
        (post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501),
        (post("Transfer-Encoding: identity", body=b"ab"), 501),
        (post("Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"), 400),
        (post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"), 400),
        (post("Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        # Line ends and folded lines.
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (get("/", "X: a\nY: b"), 400),
        (get("/", "X: a\rY: b"), 400),
        (get("/", "X: a\x00b"), 400),
        (get("/", "X: a\r\n folded"), 400),
        (post("Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"), 400),
        (get("/", "no colon"), 400),
        (get("/", "a b: c"), 400),
        # Chunks.
        (post(CHUNKED, body=b"1;a\nb\r\na\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"1 \r\na\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"0x1\r\na\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"-1\r\na\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"1\na\n0\n\n"), 400),
        (post(CHUNKED, body=b"1\r\nabc\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"fffffffffffffffff\r\na\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"3e9\r\n" + b"a" * 1001), 413),
        # The request line and Host.
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (get("/", "Host: y"), 400),
        (b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (get("/a b"), 400),
        (get("/\xff"), 400),
        (get("http://[x/"), 400),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    ],
)
def test_what_is_refused(data: bytes, status: int) -> None:
    for parts in ([data], [data[at : at + 1] for at in range(len(data))]):
        found = read(*parts)
        assert found.requests == []
        assert [code for code, _ in found.refusals] == [status]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/a%20b?q=%20", "/a b", "q=%20"),
        ("/a#b", "/a", ""),
        ("/a%zz%ff", "/a%zz\ufffd", ""),
        ("//a", "//a", ""),
        ("http://host/a%20b?q", "/a b", "q"),
        ("http://host?q", "", "q"),
        ("*", "/", ""),
    ],
)
def test_targets(target: str, path: str, query: str) -> None:
    (request,) = read(get(target)).requests
    assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize(
    "framing", [("Content-Length: 2", b"ab"), (CHUNKED, b"2\r\nab\r\n0\r\n\r\n")]
)
@pytest.mark.parametrize("whole", [True, False])
def test_an_offer_to_upgrade_is_passed_over(framing: tuple[str, bytes], whole: bool) -> None:
    data = post(*JAVA, framing[0], body=framing[1]) * 3 + get("/next")
    found = read(data) if whole else read(*(data[at : at + 1] for at in range(len(data))))
    assert found.refusals == []
    assert [request.body for request in found.requests] == [b"ab", b"ab", b"ab", b""]
    assert all(request.keep_alive for request in found.requests)


def test_trailers_are_no_headers() -> None:
    end = b"1\r\na\r\n0\r\nX-Request-Id: other\r\nX: y\r\n\r\n"
    first, second = read(post(CHUNKED, body=end) + get()).requests
    assert (first.body, len(first.headers), len(second.headers)) == (b"a", 2, 1)


@pytest.mark.parametrize("start", [b"0\r\nX: ", b"1;x="])
def test_trailers_and_extensions_have_a_limit(start: bytes) -> None:
    more = [b"y" * 1000] * (http_requests.LARGEST_HEAD // 1000 + 1)
    found = read(post(CHUNKED, body=start), *more)
    assert [code for code, _ in found.refusals] == [431]


def test_many_small_chunks_are_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_requests, "LARGEST_HEAD", 100)
    found = read(post(CHUNKED), *[b"2\r\n", b"ab\r\n"] * 200, b"0\r\n\r\n")
    assert [request.body for request in found.requests] == [b"ab" * 200]


def test_space_around_a_value_is_not_part_of_it() -> None:
    (request,) = read(get("/", "X: \t a b \t ", "Empty:", "Y:z")).requests
    assert request.headers[1:] == (("x", "a b"), ("empty", ""), ("y", "z"))


@pytest.mark.parametrize(("version", "told"), [("1.1", 1), ("1.0", 0)])
def test_who_is_told_to_go_on(version: str, told: int) -> None:
    lines = f"POST / HTTP/{version}\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
    found = read(lines.encode())
    assert found.continues == told


# --- Beside another parser ----------------------------------------------------------------------

names = st.sampled_from(
    ["Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect", "X-A", "Host", "TE"]
)
values = st.sampled_from(
    ["0", "2", "3", "02", "chunked", "Chunked", "gzip", "close", "keep-alive", "h2c", "a", "",
     "2,2", "upgrade", "100-continue", "trailers", "a\tb", "\xe9"]
)  # fmt: skip
bodies = st.sampled_from(
    [b"", b"ab", b"abc", b"2\r\nab\r\n0\r\n\r\n", b"0\r\n\r\n", b"2\r\na",
     b"1;e=f\r\na\r\n0\r\nX-T: u\r\n\r\n"]
)  # fmt: skip


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A request that is more or less well formed."""
    method = draw(st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS"]))
    version = draw(st.sampled_from(["1.1", "1.1", "1.1", "1.0"]))
    lines = [f"{method} /{draw(st.integers(0, 9))} HTTP/{version}"]
    if draw(st.integers(0, 9)):
        lines.append("Host: x")
    fields = draw(st.lists(st.tuples(names, values), max_size=3))
    lines += [f"{name}:{draw(st.sampled_from([' ', '', '  ']))}{value}" for name, value in fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + draw(bodies)


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Requests one after the other, some with a byte changed, in pieces."""
    data = b"".join(draw(st.lists(messages(), min_size=1, max_size=4)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(data) - 1))
        odd = draw(st.sampled_from([b"", b"\r", b"\n", b" ", b"\t", b"\x00", b":", b"0", b"\r\n"]))
        data = data[:at] + odd + data[at + draw(st.integers(0, 2)) :]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]


def as_h11_reads(data: bytes) -> list[tuple[str, str, bytes]]:
    """The requests that h11 finds, up to the first that it takes for none."""
    h11 = pytest.importorskip("h11")
    server, found = h11.Connection(h11.SERVER), []
    server.receive_data(data)
    try:
        while True:
            event = server.next_event()
            if isinstance(event, h11.Request):
                method, target, body = event.method.decode(), event.target.decode(), b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                found.append((method, target, body))
                server.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                server.send(h11.EndOfMessage())
                if server.our_state is not h11.DONE:
                    return found
                server.start_next_cycle()
            else:
                return found
    except h11.RemoteProtocolError:
        return found


@given(streams())
@settings(max_examples=150)
def test_no_request_is_read_otherwise_than_h11_reads_it(parts: list[bytes]) -> None:
    found, whole = read(*parts), read(b"".join(parts))
    assert whole.requests == found.requests
    assert [code for code, _ in whole.refusals] == [code for code, _ in found.refusals]
    ours = [(r.method, r.path, r.body) for r in found.requests]
    theirs = as_h11_reads(b"".join(parts))
    # Either may stop earlier: each is stricter than the other about something.
    assert theirs[: len(ours)] == ours[: len(theirs)]
