"""An HTTPS server for the reviews of an API server.

``POST /validate``, ``/default`` and ``/convert``; ``GET /healthz`` for probes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from umbel.k8s.admission import reviews
from umbel.k8s.admission.certificates import Certificate

log = logging.getLogger("umbel")

LARGEST_REVIEW = 8 * 1024 * 1024
"""Bytes. An API server's own limit for an object is 3 MiB, and an update has two of them."""

Handler = Callable[[Mapping[str, Any]], dict[str, Any]]


class WebhookServer:
    """Serves reviews until it is closed. ``others``: see `reviews.validate`.

    An error of umbel's own lets the object in, and says so in a warning: a webhook that fails
    must not stop a cluster.
    """

    def __init__(self, certificate: Certificate, others: reviews.Others | None = None) -> None:
        self._others = others
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.renew(certificate)
        self._runner: web.AppRunner | None = None

    def renew(self, certificate: Certificate) -> None:
        """Show another certificate from the next connection on."""
        with tempfile.TemporaryDirectory() as folder:
            chain, key = Path(folder, "tls.crt"), Path(folder, "tls.key")
            chain.write_text(certificate.certificate)
            key.touch(mode=0o600)
            key.write_text(certificate.key)
            self._context.load_cert_chain(chain, key)

    async def start(self, host: str = "127.0.0.1", port: int = 9443) -> int:
        """Listen, and give the port: ``port`` 0 takes any that is free."""
        app = web.Application(client_max_size=LARGEST_REVIEW)
        app.router.add_post("/validate", self._answer(self._validate))
        app.router.add_post("/default", self._answer(reviews.default))
        app.router.add_post("/convert", self._answer(reviews.convert))
        app.router.add_get("/healthz", _healthy)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=self._context).start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """End the connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _validate(self, review: Mapping[str, Any]) -> dict[str, Any]:
        return reviews.validate(review, self._others)

    def _answer(self, handler: Handler) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.Response:
            try:
                review = json.loads(await request.read())
                # Reading a large graph takes milliseconds: not on the loop of the server.
                return web.json_response(await asyncio.to_thread(handler, review))
            except (reviews.NotAReview, ValueError) as error:
                return web.json_response({"error": str(error)}, status=400)
            except web.HTTPException:
                raise
            except Exception as error:
                log.exception("a review failed")
                return web.json_response(_let_in(review, error))

        return answer


def _let_in(review: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    """The answer where umbel itself failed. Nothing can be let in that had to be converted."""
    uid = review["request"]["uid"]
    text = f"umbel could not read this object: {type(error).__name__}: {error}"
    if review.get("kind") == "ConversionReview":
        failed = {"status": "Failed", "message": text}
        response = {"uid": uid, "convertedObjects": [], "result": failed}
    else:
        response = {"uid": uid, "allowed": True, "warnings": [text[: reviews.LONGEST_WARNING]]}
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok")
