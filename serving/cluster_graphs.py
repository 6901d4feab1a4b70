"""Which of umbel's graphs run on the Ray cluster, for fronts that stand before all of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from umbel.serving.model_names import ModelNames, joined
from umbel.serving.ray_applications import INGRESS

log = logging.getLogger("umbel")

_LOOK_AGAIN_S = 1.0
_PATIENCE_S = 5.0


class ClusterGraphs:
    """Looks once a second, and whenever it is asked to. ``changed`` gets what it found."""

    def __init__(self, changed: Callable[[ModelNames], None]) -> None:
        self.known = ModelNames()
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
        there = sorted(
            (name, one.last_deployed_time_s)
            for name, one in applications.items()
            if INGRESS in one.deployments
        )
        parts = await asyncio.gather(*(self._ask(key) for key in there))
        self._told = {key: part for key, part in zip(there, parts, strict=True) if part is not None}
        self.known = joined(self._told.values())
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


def graphs_left(but: Collection[str] = ()) -> bool:
    """Whether graphs of umbel's run on the cluster, apart from ``but``. Needs Ray Serve."""
    there = serve.status().applications
    return any(INGRESS in one.deployments for name, one in there.items() if name not in but)
