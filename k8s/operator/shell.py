"""The process: kopf watches the resources, the loop does the work.

Kopf calls a handler for one resource at a time; the operator writes one configuration for all of
them. So kopf's part is to notice (its watches survive closed and expired streams and an API
server that goes away), and every notice only wakes the loop, which reads everything itself.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import kopf

from umbel.graph.errors import UmbelError
from umbel.k8s.manifests import RenderOptions
from umbel.k8s.manifests.containers import MANAGED
from umbel.k8s.operator import kinds
from umbel.k8s.operator.cluster import Cluster
from umbel.k8s.operator.container_objects import ContainerObjects
from umbel.k8s.operator.executor import Executor
from umbel.k8s.operator.kuberay import KubeRay
from umbel.k8s.operator.lease import Leadership
from umbel.k8s.operator.loop import ReconcileLoop
from umbel.k8s.operator.ray_serve import RayServe
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.signing_in import sign_in
from umbel.k8s.operator.snapshot import CONFIG, Observer
from umbel.k8s.operator.target import Serving

if TYPE_CHECKING:
    from umbel.k8s.admission.hosting import HostingOptions

log = logging.getLogger("umbel.operator")


class _Patience:
    """Back-offs without an end: the API server comes back some time."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.2, 0.5, 1.0, 2.0), itertools.repeat(3.0))


async def run(
    settings: OperatorSettings,
    *,
    options: RenderOptions | None = None,
    ray_token: str = "",
    ray_token_file: str = "",
    liveness: str | None = None,
    webhooks: HostingOptions | None = None,
) -> None:
    """Run until SIGTERM or SIGINT. ``liveness``: URL to answer at, as
    ``http://0.0.0.0:8080/healthz``. ``webhooks``: serve the admission webhooks, too. Raises
    ``ClusterUnavailable`` at once where nothing says which cluster it is."""
    sign_in()
    identity = f"{socket.gethostname()}_{os.getpid()}"
    _greet(settings)
    async with Cluster() as cluster:
        leadership = Leadership(cluster, settings, identity)
        serving: Serving = RayServe(settings, ray_token, ray_token_file)
        if settings.target == "kuberay":
            serving = KubeRay(cluster, settings, options or RenderOptions())
        loop = _loop(cluster, serving, leadership, settings)
        stop = asyncio.Event()
        work = [
            asyncio.create_task(loop.run(), name="reconcile loop"),
            asyncio.create_task(_follow_config(settings, loop), name="settings"),
        ]
        if webhooks is not None:
            work.append(asyncio.create_task(_hosted(webhooks, stop), name="webhooks"))
        try:
            await kopf.operator(
                registry=_registry(loop, settings),
                settings=_kopf_settings(settings),
                standalone=True,
                clusterwide=not settings.namespaces,
                namespaces=list(settings.namespaces),
                liveness_endpoint=liveness,
            )
        finally:
            stop.set()
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await asyncio.gather(leadership.release(), return_exceptions=True)


def _loop(
    cluster: Cluster, serving: Serving, leadership: Leadership, settings: OperatorSettings
) -> ReconcileLoop:
    containers = ContainerObjects(cluster, settings)
    executor = Executor(cluster, serving, containers)
    observer = Observer(cluster, serving, settings, containers)
    return ReconcileLoop(observer, executor, leadership, settings)


def _greet(settings: OperatorSettings) -> None:
    where = ", ".join(settings.namespaces) or "all namespaces"
    what = f"Ray at {settings.dashboard_url}" if settings.target == "ray" else "KubeRay"
    log.info("looking after %s with %s", where, what)


async def _follow_config(settings: OperatorSettings, loop: ReconcileLoop) -> None:
    """Wakes the loop when KServe's ConfigMap changes. Kopf would watch the ConfigMaps of all
    namespaces for this one, which the operator has no right to."""
    async with Cluster() as cluster:
        while True:
            try:
                where = (kinds.CONFIG_MAP, settings.config_namespace, CONFIG)
                async for _change in cluster.changes(*where):
                    loop.wake()
            except UmbelError as error:
                log.debug("%s", error)
            await asyncio.sleep(2.0)


async def _hosted(options: HostingOptions, stop: asyncio.Event) -> None:
    """The webhooks, tried again until the cluster lets them start."""
    from umbel.k8s.admission.hosting import host_webhooks

    while not stop.is_set():
        try:
            await host_webhooks(options, stop)
        except UmbelError as error:
            log.warning("webhooks: %s; trying again", error)
            await asyncio.sleep(5.0)


def _registry(loop: ReconcileLoop, settings: OperatorSettings) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    async def login(**_: Any) -> kopf.ConnectionInfo:
        return sign_in()

    async def wake(**_: Any) -> None:
        loop.wake()

    watched = [*kinds.WATCHED, *([kinds.RAY_SERVICE] if settings.target == "kuberay" else [])]
    kopf.on.login(registry=registry)(login)
    for kind in watched:
        kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)(wake)
    ours = kinds.DEPLOYMENT  # of all the cluster's, those of containers
    kopf.on.event(ours.group, ours.version, ours.plural, registry=registry, labels=MANAGED)(wake)
    return registry


def _kopf_settings(settings: OperatorSettings) -> kopf.OperatorSettings:
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.networking.error_backoffs = _Patience()
    made.watching.reconnect_backoff = 0.2
    made.watching.connect_timeout = 10.0
    made.watching.server_timeout = 300
    if settings.namespaces:
        made.scanning.disabled = True  # a Role grants no view of the cluster's namespaces
    return made
