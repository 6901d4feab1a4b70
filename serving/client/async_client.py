"""The data plane's client for asyncio."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from umbel.graph.errors import (
    DeclarationError,
    InvalidInput,
    MissingExtra,
    NotImplementedHere,
    NotReady,
    RequestFailed,
)
from umbel.graph.options import Retry
from umbel.nodes.descriptions import listing
from umbel.serving.client.attempts import Deadline
from umbel.serving.client.http_transport import HttpTransport
from umbel.serving.client.inference_result import InferenceResult, result_of
from umbel.serving.client.request_building import infer_request, json_body
from umbel.serving.client.server_address import server_address

if TYPE_CHECKING:
    from umbel.serving.client.grpc_models import GrpcModels

_JSON = {"content-type": "application/json"}
_ONCE = Retry(attempts=1)


class AsyncInferenceClient:
    """Calls one server: umbel, KServe, Triton, MLServer, or any other that speaks V1 or V2.

    ``url``: ``http://host:port/NAME`` (umbel), ``http://host`` (KServe), or
    ``grpc://host:port/NAME``; ``https`` and ``grpcs`` with TLS, ``ca_file`` (PEM) where the
    server's certificate is none that the machine trusts. ``model``: its name, where it is not
    the URL's last part. ``timeout_s`` is a call's deadline, all attempts together; it is sent
    along, so that the server stops too. ``retry``: attempts where nobody answered, and for
    502, 503 and 504. ``headers`` go with every request.

    Errors are those of the server: ``InvalidInput``, ``NotFound``, ``NotReady``,
    ``DeadlineExceeded`` and so on; ``RequestFailed`` where nobody answered, ``UpstreamAnswered``
    (``code``, ``body``) for other statuses. Use it as an async context manager, in one event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        timeout_s: float | None = 60.0,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: str | Path | None = None,
        message_limit: int = 256 * 1024 * 1024,
    ) -> None:
        address = server_address(url)
        self.url, self.model = url, address.model if model is None else model
        self._timeout_s, self._names = timeout_s, dict[str, str]()
        common: dict[str, Any] = {"headers": headers or {}, "retry": retry or Retry()}
        self._http: HttpTransport | None = None
        self._grpc: GrpcModels | None = None
        if not address.grpc:
            tls = ssl.create_default_context(cafile=ca_file) if ca_file else None
            self._http = HttpTransport(address.base, tls=tls, **common)
            return
        try:
            from umbel.serving.client.grpc_models import GrpcModels
        except ModuleNotFoundError as error:
            raise MissingExtra(f"a client of {url}", error.name or "grpcio", "grpc") from error
        common |= {"ca": Path(ca_file).read_bytes() if ca_file else None}
        self._grpc = GrpcModels(
            address.base, secure=address.secure, message_limit=message_limit, **common
        )

    async def __aenter__(self) -> AsyncInferenceClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        for one in (self._http, self._grpc):
            if one is not None:
                await one.close()

    async def infer(
        self,
        inputs: Any,
        *,
        model: str | None = None,
        outputs: Sequence[str] = (),
        parameters: Mapping[str, object] | None = None,
        id: str = "",
        binary: bool = True,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> InferenceResult:
        """V2 inference. ``inputs``: arrays by name, or one array for a model with one input,
        whose name is asked for once. ``outputs``: those wanted, none for all. ``binary``: as
        binary tensors both ways, else as JSON (over gRPC they are always raw)."""
        deadline, name = self._deadline(timeout_s), self._named(model)
        if not isinstance(inputs, Mapping):
            inputs = {await self._input_name(name, deadline): inputs}
        request = infer_request(inputs, outputs, parameters, id, binary)
        transport = self._grpc or self._over_http()
        return result_of(await transport.infer(name, request, deadline, headers or {}, binary))

    async def predict(
        self,
        instances: Any,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """V1 ``:predict``: the ``predictions`` for a list or array of instances."""
        answer = await self._v1("predict", instances, model, headers, timeout_s)
        if not isinstance(answer, dict) or "predictions" not in answer:
            raise RequestFailed(f"{self.url}: expected predictions in the answer, got none")
        return answer["predictions"]

    async def explain(
        self,
        instances: Any,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """V1 ``:explain``: the whole answer, whose form is the explainer's."""
        return await self._v1("explain", instances, model, headers, timeout_s)

    async def call(
        self,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """POST ``body`` as JSON to the URL itself: a graph's call, as KServe's router takes it."""
        return await self._post("", body, headers, timeout_s)

    async def metadata(self, model: str | None = None) -> dict[str, Any]:
        """The model's inputs and outputs, as V2 has them."""
        return await self._metadata(self._named(model), self._deadline(None))

    async def is_server_live(self) -> bool:
        """Does the server answer?"""
        return await self._yes("/v2/health/live", "ServerLive")

    async def is_server_ready(self) -> bool:
        """Is all that it serves ready?"""
        return await self._yes("/v2/health/ready", "ServerReady")

    async def is_model_ready(self, model: str | None = None) -> bool:
        """Is the model ready? Raises ``NotFound`` where there is none of the name."""
        name = self._named(model)
        return await self._yes(f"/v2/models/{quote(name, safe='')}/ready", "ModelReady", name)

    async def _v1(
        self,
        verb: str,
        instances: Any,
        model: str | None,
        headers: Mapping[str, str] | None,
        timeout_s: float | None,
    ) -> Any:
        path = f"/v1/models/{quote(self._named(model), safe='')}:{verb}"
        return await self._post(path, {"instances": instances}, headers, timeout_s)

    async def _post(
        self, path: str, body: Any, headers: Mapping[str, str] | None, timeout_s: float | None
    ) -> Any:
        http, sent = self._over_http(), {**_JSON, **(headers or {})}
        reply = await http.ask("POST", path, self._deadline(timeout_s), json_body(body), sent)
        return reply.json(http.base + path)

    def _over_http(self) -> HttpTransport:
        if self._http is None:
            raise NotImplementedHere(f"{self.url}: gRPC has infer() only: use an http:// URL")
        return self._http

    async def _metadata(self, name: str, deadline: Deadline) -> dict[str, Any]:
        if self._grpc is not None:
            return await self._grpc.metadata(name, deadline)
        http, path = self._over_http(), f"/v2/models/{quote(name, safe='')}"
        found = (await http.ask("GET", path, deadline)).json(http.base + path)
        if not isinstance(found, dict):
            raise RequestFailed(f"{http.base}{path}: expected an object")
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

    async def _yes(self, path: str, method: str, model: str = "") -> bool:
        deadline = self._deadline(None)
        try:
            if self._grpc is not None:
                return await self._grpc.yes(method, model, deadline, _ONCE)
            await self._over_http().ask("GET", path, deadline, retry=_ONCE)
        except (RequestFailed, NotReady):
            return False
        return True

    def _deadline(self, timeout_s: float | None) -> Deadline:
        return Deadline(self._timeout_s if timeout_s is None else timeout_s)

    def _named(self, model: str | None) -> str:
        name = self.model if model is None else model
        if not name:
            raise DeclarationError(
                f"{self.url} names no model: write InferenceClient({self.url!r}, model='...')"
            )
        return name
