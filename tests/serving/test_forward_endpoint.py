"""A graph that is a server of its own: whatever a client sends goes on, whatever comes back
comes back. The server here is a real one, on loopback."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web

from umbel.graph.passes import plan
from umbel.k8s.translate import translate
from umbel.k8s.translate.containers import ContainerAddresses
from umbel.serving.graph_host import GraphHost
from umbel.serving.http_app import HttpApp
from umbel.serving.wire import HttpRequest, Reply

SERVICES = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: alone}
spec: {predictor: {timeout: 1, containers: [{name: kserve-container, image: "me/x:1"}]}}
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: behind}
spec:
  predictor: {containers: [{name: kserve-container, image: "me/x:1"}]}
  transformer: {containers: [{name: kserve-container, image: x, command: ["words_of_mine:Twice"]}]}
  explainer: {containers: [{name: kserve-container, image: "me/why:1"}]}
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: before}
spec:
  predictor: {containers: [{name: kserve-container, image: x, command: ["words_of_mine:Sum"]}]}
  transformer: {containers: [{name: kserve-container, image: "me/t:1"}]}
"""

CLASSES = """
class Twice:
    def preprocess(self, payload):
        return {"instances": [2 * one for one in payload["instances"]]}

    def postprocess(self, result):
        return {**result, "post": True}


class Sum:
    def predict(self, payload):
        return {"predictions": [sum(payload["instances"])]}
"""


class Server:
    """What a container is to the graph: it tells what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        target = request.raw_path
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.method, target, headers, body))
        if request.path == "/events":
            reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await reply.prepare(request)
            for number in range(3):
                await reply.write(f"data: {number}\n\n".encode())
                await asyncio.sleep(0.01)
            return reply
        if request.path == "/slow":
            await asyncio.sleep(30)
        if request.path == "/refused":
            return web.json_response({"error": "no"}, status=422, headers={"x-why": "because"})
        if request.path == "/packed":
            packed = gzip.compress(b"plain")
            return web.Response(body=packed, headers={"content-encoding": "gzip"})
        if request.path.endswith(":explain"):
            return web.json_response({"explanations": ["so"]})
        instances = json.loads(body)["instances"] if body.startswith(b"{") else []
        return web.json_response({"predictions": instances, "path": request.path})


@pytest.fixture()
async def server() -> AsyncIterator[Server]:
    found, app = Server(), web.Application()
    app.router.add_route("*", "/{rest:.*}", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture()
async def app(server: Server, tmp_path: Any) -> AsyncIterator[HttpApp]:
    (tmp_path / "words_of_mine.py").write_text(CLASSES)
    names = ("alone-predictor", "behind-predictor", "behind-explainer", "before-transformer")
    given = ContainerAddresses(dict.fromkeys(names, server.url))
    found = translate([(str(tmp_path / "f.yaml"), SERVICES)], given)
    assert found.findings == ()
    host = GraphHost(plan(found.program), "1")
    await host.start()
    yield HttpApp(host)
    await host.close()


async def asked(
    app: HttpApp, method: str, path: str, body: bytes = b"", query: str = "", **headers: str
) -> Reply:
    given = {"content-type": "application/json", **headers}
    pairs = tuple((name.replace("_", "-"), value) for name, value in given.items())
    return await app.answer(HttpRequest(method, path, query, pairs, body))


async def test_a_request_goes_on_as_it_came(app: HttpApp, server: Server) -> None:
    body = b'{"instances": [1]}'
    reply = await asked(
        app, "POST", "/alone/v1/models/alone:predict", body, "a=1&b=%20c", x_who="me", te="trailers"
    )
    assert reply.status == 200
    assert json.loads(reply.body)["predictions"] == [1]
    ((method, target, headers, sent),) = server.asked
    assert (method, target, sent) == ("POST", "/v1/models/alone:predict?a=1&b=%20c", body)
    assert headers["x-who"] == "me"
    assert headers["content-type"] == "application/json"
    assert "te" not in headers


@pytest.mark.parametrize("path", ["/v2/health/ready", "/openai/v1/models", "/any/a b/ü"])
async def test_every_path_is_the_servers(app: HttpApp, server: Server, path: str) -> None:
    assert (await asked(app, "GET", f"/alone{path}")).status == 200
    assert server.asked[0][0] == "GET"
    assert unquote(server.asked[0][1]) == path


async def test_errors_and_headers_come_back(app: HttpApp) -> None:
    reply = await asked(app, "POST", "/alone/refused", b"{}")
    assert (reply.status, json.loads(reply.body)) == (422, {"error": "no"})
    assert reply.headers["x-why"] == "because"


async def test_a_packed_body_stays_packed_both_ways(app: HttpApp, server: Server) -> None:
    packed = gzip.compress(b'{"instances": [1]}')
    await asked(app, "POST", "/alone/v1/x", packed, content_encoding="gzip")
    assert server.asked[0][3] == packed
    reply = await asked(app, "GET", "/alone/packed", accept_encoding="gzip")
    assert reply.headers["content-encoding"] == "gzip"
    assert gzip.decompress(reply.body) == b"plain"


async def test_a_stream_comes_piece_by_piece(app: HttpApp) -> None:
    reply = await asked(app, "GET", "/alone/events")
    assert reply.stream is not None
    assert reply.headers["content-type"] == "text/event-stream"
    pieces = [piece async for piece in reply.stream]
    assert b"".join(pieces) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert len(pieces) > 1


async def test_a_slow_answer_ends_at_the_timeout(app: HttpApp) -> None:
    assert (await asked(app, "GET", "/alone/slow")).status == 504


async def test_nobody_listening_is_a_503(app: HttpApp, server: Server, tmp_path: Any) -> None:
    given = ContainerAddresses({"alone-predictor": "http://127.0.0.1:9"})
    found = translate([(str(tmp_path / "f.yaml"), SERVICES.partition("---")[0])], given)
    host = GraphHost(plan(found.program), "1")
    await host.start()
    reply = await asked(HttpApp(host), "GET", "/alone/v1/models")
    await host.close()
    assert reply.status == 503
    assert b"connection refused" in reply.body


async def test_a_graphs_own_call_finds_the_path(app: HttpApp, server: Server) -> None:
    await asked(app, "POST", "/alone", b'{"instances": [1]}')
    tensor = {"name": "a", "shape": [1], "datatype": "FP32", "data": [1]}
    await asked(app, "POST", "/alone", json.dumps({"inputs": [tensor]}).encode())
    assert [one[1] for one in server.asked] == [
        "/v1/models/alone:predict",
        "/v2/models/alone/infer",
    ]


async def test_a_class_before_a_container_and_its_explainer(app: HttpApp, server: Server) -> None:
    path = "/behind/v1/models/behind"
    reply = await asked(app, "POST", f"{path}:predict", b'{"instances": [3]}', x_who="me")
    answer = json.loads(reply.body)
    assert (answer["predictions"], answer["post"]) == ([6], True)
    assert server.asked[0][2]["x-who"] == "me"
    why = await asked(app, "POST", f"{path}:explain", b'{"instances": [3]}')
    assert json.loads(why.body) == {"explanations": ["so"]}
    other = await asked(app, "POST", "/behind/v1/models/its-own-name:explain", b'{"instances": []}')
    assert other.status == 200


async def test_a_container_calls_the_part_of_the_graph_behind_it(app: HttpApp) -> None:
    body, verb = b'{"instances": [1, 2]}', "/v1/models/before:predict"
    for path, host in (
        (f"/before/components/before-predictor{verb}", "umbel:8000"),
        (f"/before{verb}", "before-predictor.default"),
        (f"/before{verb}", "before-predictor.default.svc.cluster.local:80"),
    ):
        reply = await asked(app, "POST", path, body, host=host)
        assert json.loads(reply.body)["predictions"] == [3], (path, reply)
    outer = await asked(app, "POST", f"/before{verb}", body, host="before.default")
    assert json.loads(outer.body)["path"] == verb  # the transformer itself
