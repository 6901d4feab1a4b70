"""Which of umbel's graphs run on the Ray cluster, for fronts that stand before all of them.

Only what has a path answers: revisions behind a front that divides traffic, and what is about
to go, have none. A front answers for its revisions.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from umbel.serving.cluster_choice import Served
from umbel.serving.model_names import ModelNames, joined
from umbel.serving.ray_applications import INGRESS

log = logging.getLogger("umbel")

_LOOK_AGAIN_S = 1.0
_PATIENCE_S = 5.0


class ClusterGraphs:
    """Looks once a second, and whenever it is asked to. ``changed`` gets what it found."""

    def __init__(self, changed: Callable[[ModelNames], None]) -> None:
        self.known = ModelNames()
        self.served: tuple[Served, ...] = ()
        self._changed = changed
        self._told: dict[tuple[str, float], ModelNames] = {}
        self._looking: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Look now; joins the look that is under way."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        with contextlib.suppress(Exception):  # the controller is busy: what was known holds
            await asyncio.shield(self._looking)

    async def follow(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(_LOOK_AGAIN_S)
            await self.refresh()

    async def _look(self) -> None:
        applications = (await asyncio.to_thread(serve.status)).applications
        routes = await _routes()
        there = sorted(
            (name, one.last_deployed_time_s)
            for name, one in applications.items()
            if INGRESS in one.deployments and name in routes
        )
        parts = await asyncio.gather(*(self._ask(key) for key in there))
        self._told = {key: part for key, part in zip(there, parts, strict=True) if part is not None}
        self.served = tuple(
            _served(name, routes[name], part) for (name, _), part in self._told.items()
        )
        self.known = joined(
            replace(part, openai=dict.fromkeys(part.openai, name))
            for (name, _), part in self._told.items()
        )
        self._changed(self.known)

    async def _ask(self, key: tuple[str, float]) -> ModelNames | None:
        """What a graph's replicas say; ``None`` for an application that is not umbel's, or does
        not answer yet."""
        if key in self._told:
            return self._told[key]
        call: Any = DeploymentHandle(INGRESS, key[0]).model_names
        try:
            told: ModelNames = await asyncio.wait_for(call.remote(), _PATIENCE_S)
        except Exception as error:
            log.info("%s does not say which models it has: %s", key[0], error)
            return None
        return told


async def _routes() -> dict[str, str]:
    """Application → the path it answers below, for those that have one."""
    from ray.serve.context import _get_global_client

    client: Any = await asyncio.to_thread(_get_global_client)
    endpoints = await client._controller.get_all_endpoints.remote()
    return {key.app_name: str(one["route"]) for key, one in endpoints.items()}


def _served(application: str, route: str, models: ModelNames) -> Served:
    *space, name = route.strip("/").split("/")
    return Served(application, "/".join(space), name, models)


def graphs_left(but: Collection[str] = ()) -> bool:
    """Whether graphs of umbel's run on the cluster, apart from ``but``. Needs Ray Serve."""
    there = serve.status().applications
    return any(INGRESS in one.deployments for name, one in there.items() if name not in but)
