"""The webhook server over TLS, with certificates of its own."""

from __future__ import annotations

import datetime as dt
import json
import ssl
from typing import Any

import aiohttp
import pytest

pytest.importorskip("cryptography")

from umbel.k8s.admission.certificates import Certificate, is_due, make, service_names
from umbel.k8s.admission.webhook_server import WebhookServer

NAMES = service_names("umbel-webhooks", "umbel-system")
REVIEW: dict[str, Any] = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "u",
        "operation": "CREATE",
        "namespace": "a",
        "object": {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": "iris"},
            "spec": {"predictor": {"sklearn": {"storageUri": "s3://b/iris"}}},
        },
    },
}


def trusting(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=certificate.ca)


async def post(port: int, path: str, body: bytes, context: ssl.SSLContext) -> tuple[int, Any]:
    url = f"https://127.0.0.1:{port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, ssl=context, server_hostname=NAMES[0]) as reply,
    ):
        return reply.status, await reply.json(content_type=None)


async def test_an_api_server_that_trusts_the_bundle_gets_its_answers() -> None:
    certificate = make(NAMES)
    server = WebhookServer(certificate)
    port = await server.start(port=0)
    try:
        context, body = trusting(certificate), json.dumps(REVIEW).encode()
        status, answer = await post(port, "/validate", body, context)
        assert (status, answer["response"]) == (200, {"uid": "u", "allowed": True})
        status, answer = await post(port, "/default", body, context)
        assert (status, answer["response"]["patchType"]) == (200, "JSONPatch")
        for bad in (b"", b"{", b"[]", b'{"kind": "Pod"}'):
            status, answer = await post(port, "/validate", bad, context)
            assert status == 400
            assert answer["error"]
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await post(port, "/validate", body, trusting(make(NAMES)))
        renewed = make(NAMES)
        server.renew(renewed)
        status, _ = await post(port, "/validate", body, trusting(renewed))
        assert status == 200
    finally:
        await server.close()


async def test_a_fault_of_umbels_own_stops_nobody() -> None:
    def broken(namespace: str) -> list[Any]:
        raise RuntimeError("the cache is gone")

    certificate = make(NAMES)
    server = WebhookServer(certificate, broken)
    port = await server.start(port=0)
    try:
        body = json.dumps(REVIEW).encode()
        status, answer = await post(port, "/validate", body, trusting(certificate))
        assert status == 200
        assert answer["response"]["allowed"] is True
        assert "the cache is gone" in answer["response"]["warnings"][0]
    finally:
        await server.close()


def test_a_certificate_is_renewed_in_time() -> None:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    certificate = make(NAMES, now)
    assert not is_due(certificate, NAMES, now)
    assert not is_due(certificate, NAMES, now + dt.timedelta(days=274))
    assert is_due(certificate, NAMES, now + dt.timedelta(days=276))
    assert is_due(certificate, service_names("other", "umbel-system"), now)
    assert is_due(None, NAMES, now)
    assert is_due(Certificate("x", "y", "z"), NAMES, now)


def test_a_secret_keeps_it() -> None:
    certificate = make(NAMES)
    secret = certificate.secret("umbel-webhooks", "umbel-system")
    assert Certificate.from_secret(secret) == certificate
    assert Certificate.from_secret({"data": {"ca.crt": "?"}}) is None
    assert Certificate.from_secret({}) is None
