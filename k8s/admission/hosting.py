"""The webhooks of a cluster: certificates made, kept and told to the API server, reviews served.

Any number of replicas may run: they share the certificate through a Secret, and whoever finds it
missing or old makes it anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from umbel.graph.errors import UmbelError
from umbel.k8s.admission.certificates import Certificate, is_due, make, service_names
from umbel.k8s.admission.webhook_server import WebhookServer
from umbel.k8s.crds import KINDS
from umbel.k8s.operator import kinds
from umbel.k8s.operator.api_errors import ClusterUnavailable
from umbel.k8s.operator.cluster import Cluster
from umbel.k8s.resources.legacy import GROUP

log = logging.getLogger("umbel.webhooks")

CONFIGURATIONS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
_MERGE = {"content-type": "application/merge-patch+json"}


@dataclass(frozen=True)
class HostingOptions:
    """Names that the installation gives. Times are in seconds."""

    namespace: str = "umbel-system"
    service: str = "umbel-webhooks"
    """The Service, the Secret with the certificate, and both webhook configurations."""

    host: str = "0.0.0.0"  # noqa: S104 - a pod's: the API server comes from outside
    port: int = 9443
    watch: tuple[str, ...] = ()
    """Namespaces whose resources count as there; none means all."""

    check_s: float = 300.0
    """How often certificate, bundles and known resources are looked at again."""

    retry_s: float = 2.0
    """How long the first look waits for an API server that is overloaded."""

    converts: tuple[str, ...] = field(
        default=tuple(f"{one.plural}.{GROUP}" for one in KINDS if one.old)
    )
    """CRDs that have old versions converted."""


async def host_webhooks(options: HostingOptions, stop: asyncio.Event) -> None:
    """Serve until ``stop``. The first look at the cluster is tried again where the API server
    answers that it cannot now, and raises what else it raises; later failures are logged, and
    what is served goes on."""
    async with Cluster() as cluster:
        hosted = _Hosted(cluster, options)
        certificate = await _first_look(hosted, options, stop)
        if certificate is None:
            return
        server = WebhookServer(certificate, hosted.others)
        port = await server.start(options.host, options.port)
        log.info("webhooks on port %s", port)
        try:
            while not await _waited(stop, options.check_s):
                try:
                    server.renew(await hosted.look())
                except UmbelError as error:
                    log.warning("%s", error)
        finally:
            await server.close()


class _Hosted:
    """What the server needs of the cluster."""

    def __init__(self, cluster: Cluster, options: HostingOptions) -> None:
        self._cluster, self._options = cluster, options
        self._known: list[Mapping[str, Any]] = []

    async def look(self) -> Certificate:
        """Read or make the certificate, tell the API server, and see which resources are
        there."""
        certificate = await self._certificate()
        for path, change in self._bundles(certificate):
            await self._tell(path, change)
        watch = self._options.watch
        wanted = (kinds.SERVICE, kinds.GRAPH, kinds.RUNTIME, kinds.CLUSTER_RUNTIME)
        lists = await asyncio.gather(*(self._cluster.listing(kind, watch) for kind in wanted))
        self._known = [one for found in lists for one in found]
        return certificate

    def others(self, namespace: str) -> Sequence[Mapping[str, Any]]:
        """What a resource of ``namespace`` may refer to, as of the last look."""
        found = (one for one in self._known)
        return [one for one in found if one["metadata"].get("namespace", namespace) == namespace]

    async def _certificate(self) -> Certificate:
        options = self._options
        names = service_names(options.service, options.namespace)
        secret = await self._cluster.get(kinds.SECRET, options.namespace, options.service)
        known = Certificate.from_secret(secret) if secret is not None else None
        if known is not None and not is_due(known, names):
            return known
        made = make(names)
        wanted = made.secret(options.service, options.namespace)
        if secret is None:
            if await self._cluster.create(kinds.SECRET, wanted) is None:
                return await self._certificate()  # another replica was first
        else:
            await self._cluster.patch(kinds.SECRET, secret, {"stringData": wanted["stringData"]})
        return made

    def _bundles(self, certificate: Certificate) -> list[tuple[str, str]]:
        """Where the API server has to be told, and in what form."""
        path = f"/apis/admissionregistration.k8s.io/v1/{{}}/{self._options.service}"
        told = [(path.format(plural), certificate.ca_bundle) for plural in CONFIGURATIONS]
        crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}"
        return told + [(crd.format(name), certificate.ca_bundle) for name in self._options.converts]

    async def _tell(self, path: str, bundle: str) -> None:
        try:
            known = await self._cluster.ask("GET", path)
        except UmbelError as error:
            log.warning("%s", error)  # not installed: nothing to tell
            return
        change = with_bundle(known, bundle)
        if change is not None:
            await self._cluster.ask("PATCH", path, change, headers=_MERGE)


def with_bundle(known: Mapping[str, Any], bundle: str) -> dict[str, Any] | None:
    """The merge patch that makes a webhook configuration, or a CRD with a conversion webhook,
    trust ``bundle``; None where it does already or has no webhook."""
    if "webhooks" in known:
        webhooks = [
            {**one, "clientConfig": {**one["clientConfig"], "caBundle": bundle}}
            for one in known["webhooks"]
        ]
        return None if webhooks == known["webhooks"] else {"webhooks": webhooks}
    webhook = (known.get("spec", {}).get("conversion") or {}).get("webhook")
    if not webhook or webhook["clientConfig"].get("caBundle") == bundle:
        return None
    return {"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": bundle}}}}}


async def _first_look(
    hosted: _Hosted, options: HostingOptions, stop: asyncio.Event
) -> Certificate | None:
    """None where it was stopped before one succeeded."""
    while not stop.is_set():
        try:
            return await hosted.look()
        except ClusterUnavailable as error:
            if error.code != 429 and error.code < 500:
                raise
            log.warning("%s; trying again", error)
            await _waited(stop, max(options.retry_s, error.after_s))
    return None


async def _waited(stop: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True
