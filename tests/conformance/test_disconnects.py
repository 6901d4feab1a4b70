"""A client that goes away does not stop what a router has begun."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import backends
import case_files
from judging import settled
from service_server import ServiceServer

from umbel.serving.graph_host import GraphHost
from umbel.serving.http_app import HttpApp


async def test_downstream_work_goes_on(services: ServiceServer, tmp_path: Path) -> None:
    case = case_files.make_case(
        {
            "case": "gone",
            "nodes": {
                "root": {
                    "routerType": "Sequence",
                    "steps": [{"serviceUrl": "a"}, {"serviceUrl": "b"}],
                }
            },
            "services": {"a": {"delay_s": 0.3}, "b": {}},
            "reply": {},
        },
        "disconnects",
    )
    services.play(case.name, case.services)
    host = GraphHost(backends.plan_of(backends.write_files([case], services.url, tmp_path)), "t")
    await host.start()
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{}", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        pass

    scope = {"type": "http", "method": "POST", "path": f"/{case.name}", "headers": []}
    await HttpApp(host)(scope, receive, send)
    made = await asyncio.to_thread(settled, lambda: services.calls(case.name), 2)
    assert [call.service for call in made] == ["a", "b"]
    await host.close()
