"""Pools of models on Ray: each model in one replica, which all its requests go to.

Ray Serve's consistent-hash router picks the replica by the model's name, so that replicas have
few models in common and a pool's memory is that of all its replicas together. When a replica has
more requests in flight than it may, its models' requests go on to the next one, which loads them
too: a model that is asked for very often spreads.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from ray.serve.config import RequestRouterConfig

from umbel.graph.errors import NotReady
from umbel.graph.options import Scale
from umbel.graph.plan import Deployment, Plan
from umbel.nodes.model_pool import MODEL
from umbel.nodes.request_context import RequestContext
from umbel.serving.model_faces import PoolRequest
from umbel.serving.pool_metrics import PoolFigures
from umbel.serving.request_wire import to_wire

log = logging.getLogger("umbel")

IN_FLIGHT = 64
"""Requests that a pool's replica may have in flight before its models spread to the next."""

_ANSWER_WITHIN_S = 30.0

_FIGURES_WITHIN_S = 5.0
"""Prometheus gives a page of metrics ten seconds."""

_ROUTER = "ray.serve.experimental.consistent_hash_router.ConsistentHashRouter"


def routing(deployment: Deployment) -> dict[str, Any]:
    """Ray's options of a deployment whose calls go to a replica by one of their inputs."""
    if not deployment.routed_by:
        return {}
    options: dict[str, Any] = {"request_router_class": _ROUTER}
    return {"request_router_config": RequestRouterConfig(**options)}


def scaled(plan: Plan, replicas: int) -> Plan:
    """The plan with ``replicas`` of each pool that does not scale by itself."""
    deployments = tuple(
        replace(one, scale=Scale(replicas)) if one.routed_by and not one.options.scale else one
        for one in plan.deployments
    )
    return replace(plan, deployments=deployments)


class RemotePool:
    """The engine's handle of a pool in another deployment."""

    inline = False

    def __init__(self, node: str, deployment: Any) -> None:
        self._node, self._deployment = node, deployment

    async def __call__(self, values: dict[str, Any], context: RequestContext) -> Any:
        call = self._deployment.options(session_id=str(values[MODEL])).call
        done, value = await call.remote(self._node, values, to_wire(context))
        if done:
            return value
        raise value

    async def figures(self) -> list[PoolFigures]:
        """What each replica that runs has in memory; none where they do not answer."""
        try:
            sent = self._deployment.broadcast("pool_figures")
            told = await sent.results_async(timeout_s=_FIGURES_WITHIN_S, return_exceptions=True)
        except Exception as error:  # Ray's: there is no replica, or one does not answer
            log.info("the replicas of %r do not answer: %s", self._node, error)
            return []
        return [one for part in told if isinstance(part, list) for one in part]

    async def everywhere(
        self, request: PoolRequest, model: str, context: RequestContext
    ) -> list[Any]:
        """The answers of all replicas that run. Raises what the first of them raised, NotReady
        where none answers."""
        values = {MODEL: model, "request": request}
        sent = self._deployment.broadcast("call", self._node, values, to_wire(context))
        try:
            told = await sent.results_async(timeout_s=_ANSWER_WITHIN_S, return_exceptions=True)
        except Exception as error:  # Ray's: there is no replica, or one does not answer
            raise NotReady(f"the replicas of {self._node!r} do not answer: {error}") from error
        answers = []
        for one in told:
            if isinstance(one, BaseException):  # a replica that ends has no models any more
                log.info("a replica of %r did not answer: %s", self._node, one)
                continue
            done, value = one
            if not done:
                raise value
            answers.append(value)
        return answers
