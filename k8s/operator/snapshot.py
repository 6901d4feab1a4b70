"""Reads the world: lists of resources, and of Secrets only those that are referred to."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import logging
import time
from collections.abc import Iterable, Mapping

from umbel.graph.errors import DeclarationError
from umbel.k8s.operator import credentials, kinds
from umbel.k8s.operator.cluster import Cluster
from umbel.k8s.operator.container_objects import ContainerObjects
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.target import ServeUnavailable, Serving
from umbel.k8s.operator.world import Raw, ServeApplication, World
from umbel.nodes.storage.sealed_values import SealKeys

log = logging.getLogger("umbel.operator")

CONFIG = "inferenceservice-config"


class Observer:
    """Takes snapshots. Between them it remembers which applications ran, and since when each
    has had its route, by this process's clock. Nothing is lost with that: it is seen again."""

    def __init__(
        self,
        cluster: Cluster,
        serving: Serving,
        settings: OperatorSettings,
        containers: ContainerObjects | None = None,
    ) -> None:
        self._cluster, self._serving, self._settings = cluster, serving, settings
        self._containers = containers
        self._since: dict[str, float] = {}
        self._ran: set[str] = set()
        self._trouble = ""
        self._seal_keys: SealKeys | None = None

    async def snapshot(self) -> World:
        """The world as it is. Raises ``ClusterUnavailable`` and ``Refused``."""
        # What is deployed first: an operator that acts on newer resources changes it, which is
        # noticed before anything is written.
        applications, reachable = await self._applications()
        spaces = self._settings.namespaces
        list_ = self._cluster.listing
        services, graphs, models, runtimes, shared, revisions = await asyncio.gather(
            list_(kinds.SERVICE, spaces),
            list_(kinds.GRAPH, spaces),
            list_(kinds.MODEL, spaces),
            list_(kinds.RUNTIME, spaces),
            list_(kinds.CLUSTER_RUNTIME, ()),
            list_(kinds.REVISION, spaces, "serving.kserve.io/inferenceservice"),
        )
        config = await self._cluster.get(kinds.CONFIG_MAP, self._settings.config_namespace, CONFIG)
        accounts, secrets = await self._credentials([*services, *map(_recorded, revisions)])
        if config is not None:
            config = {"apiVersion": "v1", "kind": "ConfigMap", **config}
        return World(
            services=tuple(services),
            graphs=tuple(graphs),
            runtimes=(*runtimes, *shared),
            trained_models=tuple(models),
            revisions=tuple(revisions),
            config=config,
            accounts=accounts,
            secrets=secrets,
            applications=applications,
            settled=self._settled(applications.values()),
            reachable=reachable,
            seal_keys=self._keys(),
            containers=await self._containers.read() if self._containers is not None else {},
            now=dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def _keys(self) -> SealKeys | None:
        """The keys as the file has them now: it is replaced when they change. Once read, they
        count until it can be read again; nothing is ever deployed unsealed for want of them.
        Raises ``DeclarationError`` where they never could be."""
        file = self._settings.seal_key_file
        if file:
            try:
                self._seal_keys = SealKeys.read(file)
            except DeclarationError as error:
                if self._seal_keys is None:
                    raise
                log.warning("%s: sealing with the key read before", error)
        return self._seal_keys

    async def _credentials(
        self, services: Iterable[Raw]
    ) -> tuple[Mapping[tuple[str, str], Raw], Mapping[tuple[str, str], Raw]]:
        specs = [(one["metadata"]["namespace"], one.get("spec") or {}) for one in services]
        wanted = {
            (namespace, name) for namespace, spec in specs for name in credentials.accounts_of(spec)
        }
        accounts = await self._each(kinds.ACCOUNT, wanted)
        needed = set()
        for namespace, spec in specs:
            own = [
                accounts[namespace, name]
                for name in credentials.accounts_of(spec)
                if (namespace, name) in accounts
            ]
            needed |= {(namespace, name) for name in credentials.secrets_of(spec, own)}
        return accounts, await self._each(kinds.SECRET, needed)

    async def _each(
        self, kind: kinds.Kind, keys: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], Raw]:
        ordered = sorted(key for key in keys if "/" not in key[1] and key[1] not in ("", ".", ".."))
        found = await asyncio.gather(*(self._cluster.get(kind, *key) for key in ordered))
        return {key: raw for key, raw in zip(ordered, found, strict=True) if raw is not None}

    async def _applications(self) -> tuple[Mapping[str, ServeApplication], bool]:
        try:
            found = await self._serving.read()
        except ServeUnavailable as error:
            if self._trouble != str(error):
                log.warning("%s; what runs is left as it is until it answers", error)
            self._trouble = str(error)
            return {}, False
        if self._trouble:
            log.info("Serve answers again")
        self._trouble = ""
        running = {name for name, app in found.items() if app.status == "RUNNING"}
        self._ran = (self._ran | running) & found.keys()
        proven = {
            name: dataclasses.replace(app, proven=app.proven or name in self._ran)
            for name, app in found.items()
        }
        return proven, True

    def _settled(self, applications: Iterable[ServeApplication]) -> dict[str, float]:
        now = time.monotonic()
        holders = [app.name for app in applications if app.route is not None and app.runs]
        self._since = {name: self._since.get(name, now) for name in holders}
        return {name: now - since for name, since in self._since.items()}


def _recorded(revision: Raw) -> Raw:
    """A service as one of its revisions has it: what still runs needs its credentials, too."""
    data = revision.get("data")
    spec = data.get("spec") if isinstance(data, Mapping) else None
    return {"metadata": revision["metadata"], "spec": spec if isinstance(spec, Mapping) else {}}
