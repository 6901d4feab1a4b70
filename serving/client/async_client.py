"""The data plane's client for asyncio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from umbel.graph.errors import NotReady, RequestFailed
from umbel.graph.options import Retry
from umbel.serving.client.http_transport import HttpTransport
from umbel.serving.client.inference_result import InferenceResult, result_of
from umbel.serving.client.request_building import infer_request, json_body
from umbel.serving.client.streamed_verbs import StreamedVerbs
from umbel.serving.wire import JSON

_ONCE = Retry(attempts=1)


class AsyncInferenceClient(StreamedVerbs):
    """Calls one server: umbel, KServe, Triton, MLServer, or any other that speaks V1 or V2.

    ``url``: ``http://host:port/NAME`` (umbel), ``http://host`` (KServe), or
    ``grpc://host:port/NAME``; ``https`` and ``grpcs`` with TLS, ``ca_file`` (PEM) where the
    server's certificate is none that the machine trusts. ``model``: its name, where it is not
    the URL's last part. ``timeout_s`` is a call's deadline, all attempts together; it is sent
    along, so that the server stops too. ``retry``: attempts where nobody answered, for 502, 503
    and 504, and for 429 with ``Retry-After``. ``headers`` go with every request; ``Host`` is how
    a gateway finds a service (over gRPC it becomes ``:authority``). ``token_file`` has a bearer
    token and is read for every request. ``message_limit``: the most bytes of an answer, or of one
    item. ``connections``: how many HTTP connections there may be; further calls wait.

    Errors are those of the server: ``InvalidInput``, ``NotFound``, ``NotReady``,
    ``DeadlineExceeded`` and so on; ``RequestFailed`` where nobody answered, ``UpstreamAnswered``
    (``code``, ``body``) for other statuses. Use it as an async context manager, in one event loop.
    """

    async def __aenter__(self) -> AsyncInferenceClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

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
        transport = self._transport()
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
        http, sent = self._over_http(), {**JSON, **(headers or {})}
        reply = await http.ask("POST", path, self._deadline(timeout_s), json_body(body), sent)
        return reply.json(http.base + path)

    async def _yes(self, path: str, method: str, model: str = "") -> bool:
        deadline = self._deadline(None)
        try:
            transport = self._transport()
            if not isinstance(transport, HttpTransport):
                return await transport.yes(method, model, deadline, _ONCE)
            await transport.ask("GET", path, deadline, retry=_ONCE)
        except (RequestFailed, NotReady):
            return False
        return True
