"""How often a splitter takes which step."""

from __future__ import annotations

import collections

import case_files
from backends import InProcess
from service_server import ServiceServer


def test_shares_follow_the_weights(in_process: InProcess, services: ServiceServer) -> None:
    """20 and 80 of 100; 1,000 draws stay within five standard deviations."""
    (one,) = [t for t in case_files.tries("router") if t.case.name == "splitter-shares"]
    replies = [in_process.send(one.to, one.request) for _ in range(1000)]
    assert {reply.status for reply in replies} == {200}
    count = collections.Counter(reply.body for reply in replies)
    assert set(count) == {b"a", b"b"}
    assert abs(count[b"a"] - 200) < 5 * (1000 * 0.2 * 0.8) ** 0.5
