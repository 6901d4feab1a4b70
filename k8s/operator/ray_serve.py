"""Ray Serve's REST API: the operator's applications among everybody else's.

``PUT`` takes the whole list and removes what is not on it, so it is read first, and what is not
this operator's goes back as it came. Applications that a script deployed (``serve.run``) are
not on the list; Serve leaves them alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from umbel.k8s.operator.compiling import BUILDER, INGRESS
from umbel.k8s.operator.desired import Desired
from umbel.k8s.operator.grpc_front import KIND, key_of
from umbel.k8s.operator.routing import route_changes
from umbel.k8s.operator.second_tries import SecondTries
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.target import Overtaken, ServeUnavailable
from umbel.k8s.operator.world import Key, Owner, ServeApplication, World

log = logging.getLogger("umbel.operator")

PATH = "/api/serve/applications/"

_HINT = "; this Ray asks for its token: set RAY_AUTH_TOKEN or --ray-token-file FILE"


class RayServe:
    """One Ray cluster's Serve, through its dashboard. ``token_file``: Ray's own token, read for
    each request; ``token`` where there is no file."""

    def __init__(self, settings: OperatorSettings, token: str = "", token_file: str = "") -> None:
        self._settings, self._token, self._token_file = settings, token, token_file
        self._details: dict[str, Any] = {}
        self._tries = SecondTries()

    async def read(self) -> dict[str, ServeApplication]:
        """This operator's applications. Raises ``ServeUnavailable``."""
        self._details = await self._ask("GET", None)
        found = {}
        for name, details in (self._details.get("applications") or {}).items():
            app = owned(name, details, self._settings)
            if app is not None:
                found[name] = app
        return found

    async def make_so(self, world: World, desired: Desired) -> int:
        """One ``PUT`` for everything, if anything differs. What is tried again is left out of
        one, and comes back with the next pass."""
        live = [app for app in world.applications.values() if app.status != "DELETING"]
        observed = {app.name: app for app in live}
        if not world.reachable:
            return 0
        again = self._tries.due((str(one["name"]) for one in desired.applications), observed)
        if not again and not route_changes(desired.applications, observed):
            return 0
        wanted = [one for one in desired.applications if one["name"] not in again]
        await self.write(wanted, observed)
        for name in sorted(again):
            log.info("%s did not start: it is tried again", name)
        return 1

    async def write(
        self,
        applications: Iterable[Mapping[str, Any]],
        observed: Mapping[str, ServeApplication],
    ) -> None:
        """Deploy exactly these of the operator's own, and nothing else differently. What is there
        is read again right before, since Serve has no compare-and-swap. Raises ``Overtaken``
        where the operator's own are no longer ``observed``: another one is at work, and its
        application would be taken away, to be brought back by the next pass."""
        fresh = await self.read()
        live = {name: app.route for name, app in fresh.items() if app.status != "DELETING"}
        if live != {name: app.route for name, app in observed.items()}:
            raise Overtaken("another operator has just changed the applications")
        details = self._details
        mine = {str(app["name"]): dict(app) for app in applications}
        config: dict[str, Any] = {
            "proxy_location": details.get("proxy_location") or "EveryNode",
            "http_options": details.get("http_options") or self._first_http_options(),
            "applications": [*self._others(mine), *mine.values()],
        }
        for key in ("grpc_options", "target_capacity"):
            if details.get(key) is not None:
                config[key] = details[key]
        await self._ask("PUT", config)

    def _first_http_options(self) -> dict[str, Any]:
        return {"host": self._settings.serve_host, "port": self._settings.serve_port}

    def _others(self, mine: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        kept: list[Mapping[str, Any]] = []
        for name, details in (self._details.get("applications") or {}).items():
            ours = owned(name, details, self._settings) is not None
            declared = details.get("source", "declarative") == "declarative"
            if ours or not declared or details.get("status") == "DELETING":
                continue
            config = details.get("deployed_app_config")
            if not config or name in mine:
                raise ServeUnavailable(
                    f"the application {name!r} is not this operator's, and Serve does not say how "
                    "it was deployed: nothing is changed, so as not to remove it"
                )
            kept.append({**config, "name": name})
        return kept

    async def _ask(self, method: str, body: object) -> dict[str, Any]:
        url = self._settings.dashboard_url.rstrip("/") + PATH
        timeout = aiohttp.ClientTimeout(total=60)
        try:
            token = _text(self._token_file) or self._token
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.request(method, url, json=body) as reply,
            ):
                if reply.status != 200:
                    text = (await reply.text())[:1000]
                    hint = _HINT if reply.status in (401, 403) else ""
                    raise ServeUnavailable(f"{method} {url}: {reply.status} {text}{hint}")
                return (await reply.json()) if method == "GET" else {}
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            why = str(error) or type(error).__name__
            raise ServeUnavailable(f"{method} {url}: {why}") from error


def owned(
    name: str, details: Mapping[str, Any], settings: OperatorSettings
) -> ServeApplication | None:
    """The application if it is this operator's and of a namespace it looks after."""
    config = details.get("deployed_app_config") or {}
    args = config.get("args")
    owner = args.get("owner") if isinstance(args, Mapping) else None
    if config.get("import_path") != BUILDER or not isinstance(owner, Mapping):
        return None
    if owner.get("operator") != settings.name or not _is_mine(Key(*owner["resource"]), settings):
        return None
    ingress = (details.get("deployments") or {}).get(INGRESS) or {}
    return ServeApplication(
        name=name,
        route=config.get("route_prefix"),
        status=str(details.get("status", "NOT_STARTED")),
        message=_message(details),
        config={k: v for k, v in config.items() if k not in ("name", "route_prefix")},
        owner=Owner(
            Key(*owner["resource"]),
            str(owner.get("revision", "")),
            str(owner.get("role", "model")),
            dict((args or {}).get("front", {}).get("shares", {})),
        ),
        replicas=_up(ingress),
        proven=_is_complete(details),
        reason="Unschedulable" if _finds_no_place(details) else "",
    )


def _is_mine(key: Key, settings: OperatorSettings) -> bool:
    return key == key_of(settings) if key.kind == KIND else settings.watches(key.namespace)


def _up(deployment: Mapping[str, Any]) -> int:
    """Replicas that answer; one that is told a new route is UPDATING."""
    states = [one.get("state") for one in deployment.get("replicas") or ()]
    return sum(1 for state in states if state in ("RUNNING", "UPDATING"))


def _is_complete(details: Mapping[str, Any]) -> bool:
    """True where every deployment has the replicas it should have."""
    deployments = (details.get("deployments") or {}).values()
    counts = [(one.get("target_num_replicas"), _up(one)) for one in deployments]
    return bool(counts) and all(
        isinstance(wanted, int) and have >= wanted for wanted, have in counts
    )


def _finds_no_place(details: Mapping[str, Any]) -> bool:
    """True where Ray waits for resources that it does not have."""
    return details.get("status") == "DEPLOYING" and "to be scheduled" in _message(details)


def _message(details: Mapping[str, Any]) -> str:
    deployments = details.get("deployments") or {}
    texts = [str(one.get("message") or "") for one in deployments.values()]
    return "\n".join(text for text in (str(details.get("message") or ""), *texts) if text)


def _text(file: str) -> str:
    return Path(file).read_text().strip() if file else ""
