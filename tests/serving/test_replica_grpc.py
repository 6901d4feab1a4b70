"""What Ray Serve sees of calls to a replica, without Ray: its replica is played here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Any

import grpc
import pytest

from umbel.graph.errors import InvalidInput, NotFound
from umbel.nodes.request_context import RequestContext
from umbel.serving.grpc_protocol import messages
from umbel.serving.grpc_protocol.front import STREAM, UNARY, Front
from umbel.serving.grpc_protocol.serve_methods import ServeMethods, add_to_server

pytest.importorskip("ray.serve")

from ray.serve._private import replica as serves_replica

from umbel.serving.replica_grpc import serve_grpc_directly
from umbel.serving.traffic_front import SharedModels, TicketBag

SERVICE = f"/{messages.SERVICE}"
READY = messages.ModelReadyRequest(name="iris").SerializeToString()


class Models:
    """One model, ``iris``, that is ready when it is let go."""

    def __init__(self) -> None:
        self.go, self.ended = asyncio.Event(), asyncio.Event()
        self.go.set()
        self.tenants: list[str | None] = []

    def names(self) -> Iterable[str]:
        return ("iris",)

    async def answer(
        self, model: str, method: str, request: bytes, context: RequestContext
    ) -> bytes:
        self.tenants.append(context.headers.get("x-tenant"))
        try:
            await self.go.wait()
        finally:
            self.ended.set()
        if model != "iris":
            raise NotFound(f"no model {model}")
        answered: bytes = messages.ModelReadyResponse(ready=True).SerializeToString()
        return answered

    async def answers(
        self, model: str, request: bytes, context: RequestContext
    ) -> AsyncGenerator[bytes, None]:
        if model != "iris":
            raise InvalidInput(f"no {model}")
        for id_ in ("1", "2"):
            yield messages.ModelInferResponse(model_name=model, id=id_).SerializeToString()


class Replica:
    """What of Ray Serve's replica is used."""

    def __init__(self, limit: int) -> None:
        self._semaphore, self._metrics_manager = asyncio.Semaphore(limit), self
        self.ongoing, self.most = 0, 0

    def inc_num_ongoing_requests(self, _metadata: Any) -> None:
        self.ongoing += 1
        self.most = max(self.most, self.ongoing)

    def dec_num_ongoing_requests(self, _metadata: Any) -> None:
        self.ongoing -= 1

    async def _handle_builtin_grpc_service(self, method: str, call: Any) -> bytes:
        call.set_code(grpc.StatusCode.UNAVAILABLE)
        call.set_details(f"DRAINING {method}")
        return b""

    def factory(self) -> None:
        """Ray Serve's handlers come from a method of the replica."""


class Options:
    port = 0


@pytest.fixture()
async def served(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[Models, Replica, grpc.aio.Channel]]:
    monkeypatch.setattr(serves_replica, "start_grpc_server", None)
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")

    async def unused(*_args: Any, **_options: Any) -> None:
        raise AssertionError("Ray's own server was started")

    monkeypatch.setattr(serves_replica, "start_grpc_server", unused)
    models, replica = Models(), Replica(limit=2)
    serve_grpc_directly(Front(models, "1"), 1024)
    start: Any = serves_replica.start_grpc_server
    loop = asyncio.get_running_loop()
    task, server = await start(replica.factory, Options(), event_loop=loop)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield models, replica, channel
    await server.stop(0)
    await task


async def test_calls_are_counted_and_no_more_at_once_than_allowed(served: Any) -> None:
    models, replica, channel = served
    models.go.clear()
    ask = channel.unary_unary(f"{SERVICE}/ModelReady")
    calls = [asyncio.ensure_future(ask(READY)) for _ in range(5)]
    await asyncio.sleep(0.5)
    assert replica.ongoing == 2
    models.go.set()
    answers = await asyncio.gather(*calls)
    assert all(messages.ModelReadyResponse.FromString(one).ready for one in answers)
    assert (replica.ongoing, replica.most) == (0, 2)


async def test_a_client_that_leaves_gives_its_place_back(served: Any) -> None:
    models, replica, channel = served
    models.go.clear()
    with pytest.raises(grpc.aio.AioRpcError):
        await channel.unary_unary(f"{SERVICE}/ModelReady")(READY, timeout=0.2)
    await asyncio.wait_for(models.ended.wait(), 5)
    await asyncio.sleep(0.1)
    assert replica.ongoing == 0


async def test_streams_are_one_call_each(served: Any) -> None:
    _, replica, channel = served
    call = channel.stream_stream(f"{SERVICE}/{STREAM}")()
    for name in ("iris", "nobody"):
        await call.write(messages.ModelInferRequest(model_name=name).SerializeToString())
    await call.done_writing()
    found = [messages.ModelStreamInferResponse.FromString(one) async for one in call]
    assert [one.infer_response.id for one in found[:2]] == ["1", "2"]
    assert "nobody" in found[2].error_message
    assert (replica.ongoing, replica.most) == (0, 1)


async def test_serves_own_health_check_is_answered_and_not_counted(served: Any) -> None:
    _, replica, channel = served
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await channel.unary_unary("/ray.serve.RayServeAPIService/Healthz")(b"")
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    assert raised.value.details() == "DRAINING /ray.serve.RayServeAPIService/Healthz"
    assert replica.most == 0


class Context:
    """Ray's picture of a call, which its proxy sends to a replica."""

    def __init__(self) -> None:
        self.code: Any = None
        self.details = ""
        self.trailers: dict[str, str] = {}

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return [("x-tenant", "a"), ("x-request-id", "r1")]

    def set_code(self, code: Any) -> None:
        self.code = code

    def set_details(self, text: str) -> None:
        self.details = text

    def set_trailing_metadata(self, pairs: list[tuple[str, str]]) -> None:
        self.trailers = dict(pairs)


async def test_rays_proxy_calls_methods_by_their_names() -> None:
    methods: Any = ServeMethods()
    models = Models()
    methods.grpc_front = Front(models, "1")
    context = Context()
    answer = await methods.ModelReady(READY, grpc_context=context)
    assert messages.ModelReadyResponse.FromString(answer.SerializeToString()).ready
    assert (models.tenants, context.trailers["x-request-id"]) == (["a"], "r1")
    nobody = messages.ModelReadyRequest(name="nobody").SerializeToString()
    with pytest.raises(grpc.RpcError):
        await methods.ModelReady(nobody, grpc_context=context)
    assert (context.code, context.details) == (grpc.StatusCode.NOT_FOUND, "no model nobody")

    async def requests() -> AsyncIterator[bytes]:
        yield messages.ModelInferRequest(model_name="iris").SerializeToString()

    stream = methods.ModelStreamInfer(requests(), grpc_context=context)
    found = [messages.ModelStreamInferResponse.FromString(one) async for one in stream]
    assert [one.infer_response.id for one in found] == ["1", "2"]


def test_serve_is_told_every_method() -> None:
    told: list[Any] = []

    class Server:
        def add_generic_rpc_handlers(self, handlers: Any) -> None:
            told.extend(handlers)

    add_to_server(None, Server())
    (handler,) = told
    methods = handler._method_handlers
    assert set(methods) == {f"{SERVICE}/{name}" for name in (*UNARY, STREAM)}
    assert all(hasattr(ServeMethods, name) for name in (*UNARY, STREAM))
    descriptor = messages.ModelReadyRequest.DESCRIPTOR.file.services_by_name
    assert {one.name for one in descriptor["GRPCInferenceService"].methods} <= {*UNARY, STREAM}


async def test_shares_are_exact_over_a_hundred_calls() -> None:
    models = SharedModels(TicketBag({"old": 80, "new": 20}), ("old", "new"))
    context = RequestContext()
    drawn = [app for _ in range(500) for app, _ in models.chosen("iris", context)]
    assert Counter(drawn) == {"old": 400, "new": 100}
