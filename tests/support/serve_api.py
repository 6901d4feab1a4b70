"""Ray Serve's REST API without Ray: it keeps what it was told and brings it up after a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class ServeApi:
    """``start_s``: seconds until an application runs. ``fails``: says of a configuration why it
    cannot start, or nothing. ``puts`` are the bodies that came."""

    start_s: float = 0.0
    move_s: float = 0.3
    """Seconds that an application reports DEPLOYING after its route alone changed."""

    fails: Callable[[dict[str, Any]], str] = lambda config: ""
    puts: list[dict[str, Any]] = field(default_factory=list)
    after_write: Callable[[int], Awaitable[None]] | None = None
    applications: dict[str, dict[str, Any]] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    moved: dict[str, float] = field(default_factory=dict)
    routes: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=2**28)
        app.router.add_get("/api/serve/applications/", self._get)
        app.router.add_put("/api/serve/applications/", self._put)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def declare(self, config: dict[str, Any]) -> None:
        """An application of somebody else's."""
        self.applications[config["name"]] = config
        self.since[config["name"]] = 0.0

    def holder(self, route: str) -> dict[str, Any] | None:
        """The application behind a path."""
        found = (a for a in self.applications.values() if a.get("route_prefix") == route)
        return next(found, None)

    def status(self, name: str) -> tuple[str, str]:
        config = self.applications[name]
        reason = self.fails(config)
        if time.monotonic() - self.since[name] < self.start_s:
            return "DEPLOYING", ""
        if time.monotonic() - self.moved.get(name, 0.0) < self.move_s and not reason:
            return "DEPLOYING", ""
        return ("DEPLOY_FAILED", reason) if reason else ("RUNNING", "")

    async def _get(self, _request: web.Request) -> web.Response:
        found = {}
        for name, config in self.applications.items():
            status, message = self.status(name)
            up = time.monotonic() - self.since[name] >= self.start_s and not self.fails(config)
            replicas = [{"state": "UPDATING" if status == "DEPLOYING" else "RUNNING"}] if up else []
            graph = {"replicas": replicas, "message": message, "target_num_replicas": 1}
            found[name] = {
                "name": name,
                "route_prefix": config.get("route_prefix"),
                "status": status,
                "message": message,
                "source": config.get("source", "declarative"),
                "deployed_app_config": {k: v for k, v in config.items() if k != "source"},
                "deployments": {"graph": graph},
            }
        details: dict[str, Any] = {"applications": found, "target_capacity": None}
        if self.puts:
            details["proxy_location"] = self.puts[-1]["proxy_location"]
            details["http_options"] = self.puts[-1]["http_options"]
        return web.json_response(details)

    async def _put(self, request: web.Request) -> web.Response:
        body = await request.json()
        names = [one["name"] for one in body["applications"]]
        paths = [one["route_prefix"] for one in body["applications"] if one.get("route_prefix")]
        if len(set(names)) < len(names) or len(set(paths)) < len(paths):
            return web.Response(status=400, text="duplicate names or routes")
        for one in body["applications"]:
            before = self.applications.get(one["name"], one)
            if before.get("route_prefix") != one.get("route_prefix"):
                self.moved[one["name"]] = time.monotonic()
        kept = {n: c for n, c in self.applications.items() if c.get("source") == "imperative"}
        self.applications = {**kept, **{one["name"]: one for one in body["applications"]}}
        now = time.monotonic()
        self.since = {name: self.since.get(name, now) for name in self.applications}
        self.puts.append(body)
        self.routes.append(
            {c["route_prefix"]: n for n, c in self.applications.items() if c.get("route_prefix")}
        )
        if self.after_write is not None:
            await self.after_write(len(self.puts))
        await asyncio.sleep(0)
        return web.json_response({})
