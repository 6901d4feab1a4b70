"""An API server that asks to be left alone for a while is left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from umbel.k8s.operator import kinds
from umbel.k8s.operator.api_errors import ClusterUnavailable
from umbel.k8s.operator.cluster import Cluster


@pytest.fixture()
async def url() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        status, wait = request.path.rsplit("/", 2)[-2:]
        headers = {} if wait == "-" else {"Retry-After": wait}
        return web.json_response({"message": "too much"}, status=int(status), headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "wait", "seconds", "for_all"),
    [
        (429, "7", 7.0, True),
        (503, "2", 2.0, True),
        (503, "86400", 60.0, True),
        (503, "-", 0.0, True),
        (429, "tomorrow", 0.0, True),
        (500, "-", 0.0, False),
    ],
)
async def test_what_it_asks_for(
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    wait: str,
    seconds: float,
    for_all: bool,
) -> None:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    async with Cluster() as cluster:
        with pytest.raises(ClusterUnavailable) as caught:
            await cluster.ask("GET", f"{kinds.SERVICE.path()}/{status}/{wait}")
    assert (caught.value.code, caught.value.after_s) == (status, seconds)
    assert caught.value.for_all == for_all
