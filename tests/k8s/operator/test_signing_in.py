"""Credentials are renewed while requests are on their way: none is lost, no connection stays."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import kopf
import pytest
from aiohttp import web

from umbel.k8s.operator import cluster as module
from umbel.k8s.operator import signing_in
from umbel.k8s.operator.cluster import Cluster


@pytest.fixture()
async def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An API server that takes its time; each sign-in gets another token."""
    seen: list[str] = []
    numbers = iter(range(1000))

    async def answer(request: web.Request) -> web.Response:
        token = request.headers["Authorization"]
        seen.append(token)
        await asyncio.sleep(0.02)
        status = 401 if token == "Bearer 0" else 200
        return web.json_response({"token": token}, status=status)

    app = web.Application()
    app.router.add_get("/thing", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]

    def sign_in() -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=f"http://127.0.0.1:{port}", token=str(next(numbers)))

    monkeypatch.setattr(signing_in, "sign_in", sign_in)
    yield seen
    await runner.cleanup()


async def test_requests_at_once_outlive_the_credentials(
    server: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SIGN_IN_AGAIN_S", 0.01)

    async def later(api: Cluster, number: int) -> Any:
        await asyncio.sleep(number * 0.003)
        return await api.ask("GET", "/thing")

    async with Cluster() as api:
        answers = await asyncio.gather(*(later(api, number) for number in range(40)))
    assert len(answers) == 40
    assert len(set(server)) > 3
    gc.collect()  # a session that nobody closed would be told, which is an error here


async def test_a_token_that_is_refused_is_replaced_at_once(server: list[str]) -> None:
    async with Cluster() as api:
        answers = await asyncio.gather(*(api.ask("GET", "/thing") for _ in range(8)))
    assert server[:8] == ["Bearer 0"] * 8
    assert "Bearer 0" not in {one["token"] for one in answers}
