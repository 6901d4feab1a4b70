"""Whether a reply and the calls are what a try of the case files, or the oracle, expects."""

from __future__ import annotations

import collections
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from case_files import Try
from oracle import Answer, Oracle
from service_server import Received, ServiceServer, as_bytes

FAILED = "Failed to process request"


@dataclass(frozen=True)
class Reply:
    """What the client got; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Calls = Callable[[], list[Received]]


def judge(one: Try, reply: Reply, server: ServiceServer) -> None:
    """Assert that ``reply`` and the calls are those that ``one`` expects."""
    judge_reply(one.reply, reply, one.case.name)
    if one.calls is not None:
        wanted = [_call(call) for call in one.calls]
        made = settled(lambda: server.calls(one.case.name), len(wanted))
        _judge_calls(wanted, made, any_order=one.any_order)


def judge_reply(wanted: Mapping[str, Any], reply: Reply, case: str) -> None:
    """Assert status, body and headers, as far as ``wanted`` speaks of them."""
    unknown = set(wanted) - _CHECKS.keys() - {"status"}
    assert not unknown, unknown
    assert (reply.status, reply.body) == (wanted.get("status", 200), reply.body)
    for key, value in wanted.items():
        if key != "status":
            _CHECKS[key](_named(value, case), reply)


def _named(value: Any, case: str) -> Any:
    return json.loads(json.dumps(value).replace("@CASE", case))


def _exact(wanted: Any, reply: Reply) -> None:
    assert reply.body == as_bytes(wanted)


def _as_json(wanted: Any, reply: Reply) -> None:
    assert json.loads(reply.body) == wanted


def _part_of_json(wanted: Mapping[str, Any], reply: Reply) -> None:
    got = json.loads(reply.body)
    assert {key: got.get(key) for key in wanted} == wanted


def _cause(wanted: str, reply: Reply) -> None:
    assert json.loads(reply.body) == {"error": FAILED, "cause": wanted}
    assert reply.headers["content-type"] == "application/json"


def _in_cause(wanted: list[str], reply: Reply) -> None:
    got = json.loads(reply.body)
    assert list(got) == ["error", "cause"]
    assert got["error"] == FAILED
    for text in wanted:
        assert text in got["cause"]


def _text(wanted: list[str], reply: Reply) -> None:
    for text in wanted:
        assert text in reply.body.decode()


def _headers(wanted: Mapping[str, str], reply: Reply) -> None:
    assert {name: reply.headers.get(name.lower()) for name in wanted} == wanted


def _no_headers(wanted: list[str], reply: Reply) -> None:
    assert not [name for name in wanted if name.lower() in reply.headers]


_CHECKS: dict[str, Callable[[Any, Reply], None]] = {
    "body": _exact, "json": _as_json, "has": _part_of_json, "cause": _cause,
    "cause_has": _in_cause, "text": _text, "headers": _headers, "no_headers": _no_headers,
}  # fmt: skip


def _call(data: Any) -> dict[str, Any]:
    """A call of the data files: a service's name, or ``{to, body, json, headers, without}``."""
    return {"to": data} if isinstance(data, str) else dict(data)


def settled(calls: Calls, count: int) -> list[Received]:
    """The calls, once there are ``count``: an early reply may be there before all calls are."""
    end = time.monotonic() + 3
    while len(calls()) < count and time.monotonic() < end:
        time.sleep(0.01)
    return calls()


def _judge_calls(wanted: list[dict[str, Any]], made: list[Received], *, any_order: bool) -> None:
    if any_order:
        wanted = sorted(wanted, key=lambda call: str(call["to"]))
        made = sorted(made, key=lambda call: call.service)
    assert [call.service for call in made] == [call["to"] for call in wanted]
    for want, call in zip(wanted, made, strict=True):
        assert call.method == want.get("method", "POST")
        if "body" in want:
            assert call.body == as_bytes(want["body"])
        if "json" in want:
            assert json.loads(call.body) == want["json"]
        for name, value in want.get("headers", {}).items():
            assert call.header(name) == (value if isinstance(value, list) else [value]), name
        for name in want.get("without", ()):
            assert call.header(name) == [], name


def judge_answer(answer: Answer, oracle: Oracle, reply: Reply, calls: Calls) -> None:
    """Assert that reply and calls are those that the oracle foretold."""
    assert reply.status == answer.status, reply
    kind = reply.headers.get("content-type", "")
    assert (kind == "application/json") == answer.is_json
    if answer.failed:
        got = json.loads(reply.body)
        assert got["error"] == FAILED
        assert answer.cause in (None, got["cause"])
    else:
        assert reply.body == answer.body
    made = settled(calls, len(oracle.calls))
    count = collections.Counter((call.service, call.body) for call in made)
    assert count == collections.Counter(oracle.calls)
