"""Loading and unloading on Ray: in every replica of every application, at once and later.

What is unloaded stands in the cluster's own key-value store, where a replica that starts reads
it. Replicas that run are told directly, and look again once a second: a message that was lost,
and a replica that began to run in between, are no exceptions then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable
from typing import Any

from ray import serve
from ray.experimental import internal_kv
from ray.serve.handle import DeploymentHandle

from umbel.serving.model_states import ModelStates, State

log = logging.getLogger("umbel")

_SPACE = b"umbel-unloaded-models"
_LOOK_AGAIN_S = 1.0
_PATIENCE_S = 5.0
"""Seconds that a replica has to apply a change. One that is slower finds it in the store."""

APPLY = "apply_model_state"
"""The method of a graph's replicas that takes a change."""


def read_unloaded() -> list[State]:
    """What the cluster's store has. Needs Ray."""
    keys = internal_kv._internal_kv_list(b"", namespace=_SPACE)
    return [(graph, model) for graph, model in map(json.loads, keys)]


def forget(graphs: Iterable[str]) -> None:
    """Everything of these graphs counts as loaded: they are deployed anew."""
    for graph, model in read_unloaded():
        if graph in set(graphs):
            internal_kv._internal_kv_del(_key(graph, model), namespace=_SPACE)


def _key(graph: str, model: str) -> bytes:
    return json.dumps([graph, model]).encode()


def _write(graph: str, model: str, ready: bool) -> None:
    key = _key(graph, model)
    if ready:
        internal_kv._internal_kv_del(key, namespace=_SPACE)
    else:
        internal_kv._internal_kv_put(key, b"1", namespace=_SPACE)


class SharedStates:
    """The states of one replica, in step with all others. ``ingress`` is the deployment that
    serves requests in each application."""

    def __init__(self, states: ModelStates, ingress: str) -> None:
        self._states, self._ingress = states, ingress
        self._handles: dict[str, Any] = {}
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over what was unloaded before this replica was there, and keep in step."""
        self._states.replace(await asyncio.to_thread(read_unloaded))
        self._states.publisher = self
        self._following = asyncio.create_task(self._follow())

    def close(self) -> None:
        """Follow no longer."""
        if self._following is not None:
            self._following.cancel()

    async def publish(self, graph: str, model: str, ready: bool) -> None:
        """Write the change down, then tell every replica that runs."""
        await asyncio.to_thread(_write, graph, model, ready)
        there = (await asyncio.to_thread(serve.status)).applications
        names = [name for name, one in there.items() if self._ingress in one.deployments]
        await asyncio.gather(*(self._tell(name, graph, model, ready) for name in names))

    async def _tell(self, application: str, graph: str, model: str, ready: bool) -> None:
        handle = self._handles.get(application)
        if handle is None:
            handle = self._handles[application] = DeploymentHandle(self._ingress, application)
        try:
            sent = handle.broadcast(APPLY, graph, model, ready)
            await asyncio.wait_for(sent.results_async(), _PATIENCE_S)
        except Exception as error:  # not umbel's application, or one that is going away
            log.info("%s was not told that %r is %s: %s", application, model, ready, error)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_AGAIN_S)
            known = self._states.changes
            with contextlib.suppress(Exception):  # the cluster is going away, or back in a moment
                found = await asyncio.to_thread(read_unloaded)
                if self._states.changes == known:  # else it may be older than what was told
                    self._states.replace(found)
