"""The containers of one revision of a service: what is to be there, where it answers, and how
it is. Deployments are called after a digest of what runs, so that revisions run side by side."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from umbel.k8s.manifests.containers import (
    ContainerComponent,
    ContainerSite,
    container_components,
    host_services,
)
from umbel.k8s.manifests.containers.remaining import for_the_ray_cluster
from umbel.k8s.operator.container_states import ABSENT, ContainerState
from umbel.k8s.operator.reading import bare, loaded
from umbel.k8s.operator.revisions import owned_by
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Raw, ServeApplication, World, noted

_OURS = "umbel.dev/"


@dataclass(frozen=True)
class RevisionContainers:
    """Of one revision or variant; empty where all of it runs in umbel's replicas."""

    components: tuple[ContainerComponent, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    """URL by the host that KServe gives the component."""

    states: Mapping[str, ContainerState] = field(default_factory=dict)
    """By component."""

    objects: tuple[Raw, ...] = ()
    hosts: tuple[Raw, ...] = ()
    """The Services that KServe's users know, while this revision is the main one."""

    def left_to_ray(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The service's spec without the pods of what runs here."""
        return for_the_ray_cluster(spec, [one.component for one in self.components])

    @property
    def names(self) -> frozenset[str]:
        """The Deployments' names."""
        return frozenset(one.name for one in self.components)


def site_of(settings: OperatorSettings) -> ContainerSite:
    """How this operator makes containers."""
    predictor = ""
    if settings.target == "ray":
        parts = urlsplit(settings.serve_url)
        path = parts.path.rstrip("/") + settings.route("{namespace}", "{name}")
        predictor = f"{parts.netloc}{path}/components/{{name}}-predictor"
    return ContainerSite(
        settings.image, settings.image_pull_policy, numbered=True, predictor_host=predictor
    )


def containers_of(
    world: World, raw: Raw, content: Raw, settings: OperatorSettings
) -> RevisionContainers:
    """The containers of the revision with this content."""
    key, site = Key.of(raw), site_of(settings)
    near = loaded(_document(raw, content), *world.beside(key.namespace))
    service = next((one for one in near.inference_services if one.name == key.name), None)
    if service is None:
        return RevisionContainers()
    found = container_components(service, near, site)
    if not found:
        return RevisionContainers()
    leads_to = ""
    if settings.target == "kuberay":
        leads_to = settings.url_host.format(name=key.name, namespace=key.namespace)
    return RevisionContainers(
        tuple(found),
        {one.host: _url(one, key, settings) for one in found},
        {one.component: world.containers.get((key.namespace, one.name), ABSENT) for one in found},
        tuple(_owned(made, raw) for one in found for made in one.objects),
        tuple(_owned(made, raw) for made in host_services(service, found, site, leads_to)),
    )


def wanted_objects(
    revisions: Iterable[RevisionContainers],
    main: RevisionContainers | None,
    *,
    known: Mapping[tuple[str, str], ContainerState],
    may_start: bool,
) -> tuple[Raw, ...]:
    """The objects of all revisions, each once, and the hosts of the main one. What is not there
    yet is left out where nothing new ``may_start``."""
    found: dict[tuple[str, str], Raw] = {}
    for one in (*revisions, *([main] if main else [])):
        namespaces = {made["metadata"]["namespace"] for made in one.objects}
        there = all((space, name) in known for space in namespaces for name in one.names)
        if may_start or there:
            for made in (*one.objects, *(one.hosts if one is main else ())):
                found.setdefault((made["kind"], made["metadata"]["name"]), made)
    return tuple(found.values())


def still_called(world: World, key: Key, observed: Iterable[ServeApplication]) -> frozenset[str]:
    """The Deployments that an application calls which is not gone yet."""
    names = [name for namespace, name in world.containers if namespace == key.namespace]
    if not names or not world.reachable:  # nobody knows what is called
        return frozenset(names)
    texts = [json.dumps(app.config, sort_keys=True, default=str) for app in observed]
    return frozenset(name for name in names if any(name in text for text in texts))


def _document(raw: Raw, content: Raw) -> Raw:
    """The resource as it was with this content. Labels and annotations of others are today's."""
    plain = bare(raw)
    metadata: dict[str, Any] = dict(plain["metadata"])  # type: ignore[call-overload]
    others = {k: v for k, v in noted(raw).items() if not k.startswith(_OURS)}
    metadata["annotations"] = {**others, **(content.get("annotations") or {})}
    return {**plain, "metadata": metadata, "spec": content.get("spec") or {}}


def _url(one: ContainerComponent, key: Key, settings: OperatorSettings) -> str:
    if not settings.container_url:
        return one.url
    return settings.container_url.format(
        name=one.name, namespace=key.namespace, host=one.host, component=one.component
    )


def _owned(made: Raw, raw: Raw) -> Raw:
    whole = copy.deepcopy(dict(made))
    whole["metadata"]["ownerReferences"] = owned_by(raw)
    return whole
