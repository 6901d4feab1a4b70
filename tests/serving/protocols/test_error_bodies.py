"""Errors as clients see them."""

from __future__ import annotations

import json

import pytest

from umbel.graph import errors
from umbel.serving.protocols.error_bodies import error_reply, model_not_found, model_not_ready


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (errors.InvalidInput("x: expected 1, got 2"), 400, "x: expected 1, got 2"),
        (model_not_found("m"), 404, "Model with name m does not exist."),
        (model_not_ready("m"), 503, "Model with name m is not ready."),
        (errors.MethodNotAllowed("use POST"), 405, "use POST"),
        (errors.BodyTooLarge("too large"), 413, "too large"),
        (errors.NotImplementedHere("no explainer"), 501, "no explainer"),
        (errors.DeadlineExceeded("5 s passed"), 504, "5 s passed"),
        (errors.NodeFailed("iris"), 500, "node 'iris' failed (request r1)"),
        (errors.NodeFailed("iris", "r0"), 500, "node 'iris' failed (request r0)"),
        (ValueError("secret"), 500, "internal server error (request r1)"),
        (errors.InvalidInput("\ud800"), 400, "?"),
    ],
)
def test_errors(error: Exception, status: int, text: str) -> None:
    reply = error_reply(error, "r1")
    assert (reply.status, json.loads(reply.body)) == (status, {"error": text})
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"] == "r1"
    assert ("retry-after" in reply.headers) == (status == 503)


def test_texts_are_cut() -> None:
    assert len(error_reply(errors.InvalidInput("x" * 10**6)).body) < 5000
