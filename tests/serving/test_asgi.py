"""The application behind another ASGI server: what it answers to that server's messages."""

from __future__ import annotations

from typing import Any

import pytest

from umbel.serving.asgi import Message, answer_asgi
from umbel.serving.wire import HttpRequest, Reply


class Echo:
    """Answers with the body it got."""

    body_limit = 10

    async def answer(self, request: HttpRequest) -> Reply:
        status = int(request.path[1:]) if request.path[1:].isdigit() else 200
        return Reply(status, request.body, {"x-path": request.path, "x-query": request.query})

    def cancels(self, _request: HttpRequest) -> bool:
        return True

    def refused(self, status: int, text: str) -> Reply:
        return Reply(status, text.encode(), {})


async def exchange(scope: Message, *messages: Message) -> list[Message]:
    """What the application sends when the server has these messages for it."""
    waiting, sent = list(messages), []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await answer_asgi(Echo(), scope, receive, send)
    return sent


def request(method: str = "POST", **headers: str) -> dict[str, Any]:
    pairs = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
    return {
        "type": "http",
        "method": method,
        "path": "/a b",
        "query_string": b"q=%20",
        "headers": pairs,
    }


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_parts_is_one_request() -> None:
    start, end = await exchange(request(), part(b"one", more=True), part(b"two"))
    assert start["status"] == 200
    assert dict(start["headers"]) == {
        b"x-path": b"/a b",
        b"x-query": b"q=%20",
        b"content-length": b"6",
    }
    assert end["body"] == b"onetwo"


async def test_head_has_the_length_and_no_body() -> None:
    start, end = await exchange(request("HEAD"), part(b"four"))
    assert dict(start["headers"])[b"content-length"] == b"4"
    assert end["body"] == b""


@pytest.mark.parametrize("status", [204, 304])
async def test_some_replies_end_with_their_headers(status: int) -> None:
    start, end = await exchange({**request(), "path": f"/{status}"}, part(b"four"))
    assert (start["status"], end["body"]) == (status, b"")
    assert b"content-length" not in dict(start["headers"])


@pytest.mark.parametrize(
    ("scope", "messages"),
    [
        (request(content_length="11"), [part(b"")]),
        (request(), [part(b"x" * 6, more=True), part(b"x" * 6)]),
    ],
    ids=["declared", "sent"],
)
async def test_a_body_over_the_limit_is_refused(
    scope: dict[str, Any], messages: list[Message]
) -> None:
    start, end = await exchange(scope, *messages)
    assert (start["status"], end["body"]) == (413, b"the body has more than the limit of 10 bytes")


async def test_half_a_body_is_no_request() -> None:
    assert await exchange(request(), part(b"one", more=True)) == []


async def test_lifespan_is_answered_at_once() -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = await exchange({"type": "lifespan"}, *messages)
    expected = ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert [message["type"] for message in sent] == expected


async def test_a_websocket_is_turned_away() -> None:
    sent = await exchange({"type": "websocket"}, {"type": "websocket.connect"})
    assert sent == [{"type": "websocket.close", "code": 1003}]
