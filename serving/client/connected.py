"""What a client has of a server: its address, one transport, deadlines, names."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from umbel.graph.errors import (
    DeclarationError,
    InvalidInput,
    MissingExtra,
    NotImplementedHere,
    RequestFailed,
)
from umbel.graph.options import Retry
from umbel.nodes.descriptions import listing
from umbel.serving.client.attempts import Deadline
from umbel.serving.client.http_transport import HttpTransport
from umbel.serving.client.request_headers import RequestHeaders
from umbel.serving.client.server_address import server_address

if TYPE_CHECKING:
    from umbel.serving.client.grpc_models import GrpcModels

DEFAULT_CONNECTIONS = 100
DEFAULT_MESSAGE_LIMIT = 256 * 1024 * 1024


class Connected:
    """A server as one event loop reaches it. Arguments are ``AsyncInferenceClient``'s."""

    def __init__(  # noqa: PLR0913
        self,
        url: str,
        *,
        model: str | None = None,
        timeout_s: float | None = 60.0,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        token_file: str | Path | None = None,
        ca_file: str | Path | None = None,
        message_limit: int = DEFAULT_MESSAGE_LIMIT,
        connections: int = DEFAULT_CONNECTIONS,
    ) -> None:
        address = server_address(url)
        self.url, self.model = url, address.model if model is None else model
        self._timeout_s, self._names = timeout_s, dict[str, str]()
        self._loop: asyncio.AbstractEventLoop | None = None
        common: dict[str, Any] = {
            "headers": RequestHeaders(headers, token_file),
            "retry": retry or Retry(),
            "message_limit": message_limit,
        }
        self._over: HttpTransport | GrpcModels
        if not address.grpc:
            tls = _tls(ca_file) if ca_file else None
            self._over = HttpTransport(address.base, tls=tls, connections=connections, **common)
            return
        try:
            from umbel.serving.client.grpc_models import GrpcModels
        except ModuleNotFoundError as error:
            raise MissingExtra(f"a client of {url}", error.name or "grpcio", "grpc") from error
        ca = _pem(ca_file) if ca_file else None
        self._over = GrpcModels(address.base, secure=address.secure, ca=ca, **common)

    async def close(self) -> None:
        """Close the connections; streams that are open end."""
        await self._over.close()

    def disown(self) -> None:
        """In a process that was forked: the connections are the parent's. Raises
        ``RuntimeError`` over gRPC, whose library does not outlive a fork."""
        self._over.disown()

    def _transport(self) -> HttpTransport | GrpcModels:
        """The one there is, for the loop that runs. Raises ``RuntimeError`` in a second loop."""
        transport, loop = self._over, asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed():
                raise RuntimeError(
                    "this AsyncInferenceClient belongs to another event loop, which still runs: "
                    "make one for each loop"
                )
            transport.forget()  # the connections of a loop that is gone
            self._loop = loop
        return transport

    def _over_http(self) -> HttpTransport:
        transport = self._transport()
        if not isinstance(transport, HttpTransport):
            raise NotImplementedHere(
                f"{self.url}: gRPC has infer() and infer_stream() only: use an http:// URL"
            )
        return transport

    async def _metadata(self, name: str, deadline: Deadline) -> dict[str, Any]:
        transport, path = self._transport(), f"/v2/models/{quote(name, safe='')}"
        if not isinstance(transport, HttpTransport):
            return await transport.metadata(name, deadline)
        url = transport.base + path
        found = (await transport.ask("GET", path, deadline)).json(url)
        if not isinstance(found, dict):
            raise RequestFailed(f"{url}: expected an object")
        return found

    async def _input_name(self, model: str, deadline: Deadline) -> str:
        if model not in self._names:
            found = (await self._metadata(model, deadline)).get("inputs") or []
            names = [one["name"] for one in found if isinstance(one, dict) and "name" in one]
            if len(names) != 1:
                told = listing(names) or "no inputs of its own"
                raise InvalidInput(f"{model} has {told}: give arrays by name, {{'name': array}}")
            self._names[model] = names[0]
        return self._names[model]

    def _deadline(self, timeout_s: float | None) -> Deadline:
        return Deadline(self._timeout_s if timeout_s is None else timeout_s)

    def _named(self, model: str | None) -> str:
        name = self.model if model is None else model
        if not name:
            raise DeclarationError(
                f"{self.url} names no model: write InferenceClient({self.url!r}, model='...')"
            )
        return name


def _tls(ca_file: str | Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise DeclarationError(
            f"ca_file {ca_file}: expected certificates (PEM): {error}"
        ) from error


def _pem(ca_file: str | Path) -> bytes:
    try:
        return Path(ca_file).read_bytes()
    except OSError as error:
        raise DeclarationError(f"ca_file {ca_file}: {error.strerror}") from error
