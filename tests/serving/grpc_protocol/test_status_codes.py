"""Every error has one gRPC status, and shows no more than over HTTP."""

from __future__ import annotations

import pytest

from umbel.graph import errors
from umbel.serving.port_claim import PortTaken

grpc = pytest.importorskip("grpc")

from umbel.serving.grpc_protocol.status_codes import answered_status, status_of  # noqa: E402

TABLE = [
    (errors.InvalidInput("no"), "INVALID_ARGUMENT", "no"),
    (errors.NotFound("no"), "NOT_FOUND", "no"),
    (errors.NoBranchMatched("no"), "NOT_FOUND", "no"),
    (errors.MethodNotAllowed("no"), "UNIMPLEMENTED", "no"),
    (errors.BodyTooLarge("no"), "RESOURCE_EXHAUSTED", "no"),
    (errors.NotImplementedHere("no"), "UNIMPLEMENTED", "no"),
    (errors.NotReady("no"), "UNAVAILABLE", "no"),
    (errors.DeadlineExceeded("no"), "DEADLINE_EXCEEDED", "no"),
    (errors.RequestFailed("no"), "INTERNAL", "no"),
    (errors.NodeFailed("node"), "INTERNAL", "node 'node' failed (request 7)"),
    (errors.UpstreamAnswered(400, b'{"error":"no"}'), "INVALID_ARGUMENT", "no"),
    (errors.UpstreamAnswered(418, b"tea"), "INVALID_ARGUMENT", "tea"),
    (errors.UpstreamAnswered(503, b"[]"), "UNAVAILABLE", "[]"),
    (PortTaken("no"), "INTERNAL", "no"),
    (ValueError("the secret cause"), "INTERNAL", "internal server error (request 7)"),
]


@pytest.mark.parametrize(("error", "code", "text"), TABLE, ids=lambda value: type(value).__name__)
def test_the_table(error: Exception, code: str, text: str) -> None:
    assert status_of(error, "7") == (grpc.StatusCode[code], text)


def test_a_text_fits_into_a_header() -> None:
    _, text = status_of(errors.InvalidInput("x" * 100_000))
    assert len(text) == 500


def test_a_status_that_no_server_chose_is_no_answer() -> None:
    assert answered_status(grpc.StatusCode.UNAVAILABLE) is None
    assert answered_status(grpc.StatusCode.NOT_FOUND) == 404
