"""Resources → every object that is applied for them, in the order to apply them in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from umbel.graph import passes
from umbel.graph.checks import check
from umbel.graph.errors import CheckFailed
from umbel.graph.finding_codes import MODEL_MISSING
from umbel.graph.findings import Finding, has_errors
from umbel.graph.inference import infer
from umbel.graph.plan import Plan
from umbel.k8s.manifests.containers import ContainerSite, container_components, host_services
from umbel.k8s.manifests.containers.remaining import for_the_ray_cluster
from umbel.k8s.manifests.documents import as_yaml
from umbel.k8s.manifests.grpc_access import grpc_service
from umbel.k8s.manifests.lists import unlisted
from umbel.k8s.manifests.options import RenderOptions
from umbel.k8s.manifests.ray_services import ray_service
from umbel.k8s.manifests.rollouts import rollout_notes
from umbel.k8s.manifests.routes import routes
from umbel.k8s.manifests.storage_access import secret_env, secret_volumes
from umbel.k8s.manifests.unsupported import unsupported
from umbel.k8s.manifests.upkeep import (
    disruption_budget,
    monitoring,
    network_policy,
    selector,
    service_account,
    stepped_service,
)
from umbel.k8s.manifests.workloads import Object, Workload
from umbel.k8s.resources import Loaded, Resource, load
from umbel.k8s.translate import translate
from umbel.k8s.translate.containers import IN_CLUSTER, ContainerAddresses
from umbel.k8s.translate.trained_models import trained_models_of

PLAIN = RenderOptions()

CONTEXT = ("ServingRuntime", "ClusterServingRuntime", "ConfigMap")
"""Kinds that change what other resources come to."""


@dataclass(frozen=True)
class Rendered:
    """The objects, and everything found while making them."""

    objects: tuple[Object, ...]
    findings: tuple[Finding, ...]

    @property
    def text(self) -> str:
        """All objects as YAML documents: the same bytes for the same resources."""
        return as_yaml(self.objects)


def render_texts(texts: Sequence[tuple[str, str]], options: RenderOptions) -> Rendered:
    """Read ``(file, text)`` pairs and render them. Never raises; with an error among the
    findings there are no objects."""
    texts = [(file, unlisted(file, text)) for file, text in texts]
    whole = translate(texts, IN_CLUSTER)
    program = infer(whole.program)
    loaded = load(texts)
    checked = (one for one in check(program) if one.code != MODEL_MISSING)
    told = (*unsupported(loaded), *rollout_notes(loaded))
    findings = tuple(dict.fromkeys((*whole.findings, *checked, *told)))
    if has_errors(findings):
        return Rendered((), findings)
    return Rendered(tuple(render(loaded, options)), findings)


def render(resources: Loaded, options: RenderOptions = PLAIN) -> list[Object]:
    """Every object for the InferenceServices and InferenceGraphs among ``resources``.

    Each gets a Ray cluster of its own; a graph calls its services at their addresses, so that
    their canaries, scaling and logging count for it, too. Raises ``CheckFailed`` where a
    resource has errors.
    """
    served = (*resources.inference_services, *resources.inference_graphs)
    found: list[Object] = []
    for resource in sorted(served, key=lambda one: (one.namespace, one.kind, one.name)):
        workload = workload_of(resource, resources, options)
        if workload is not None:
            found += _of_containers(resource, workload, resources, options)
            found += objects_of(workload, options)
    return found


def _of_containers(
    resource: Resource[Any], workload: Workload, resources: Loaded, options: RenderOptions
) -> list[Object]:
    """The objects of components that run as containers."""
    if resource.kind != "InferenceService":
        return []
    site = container_site(options, workload.namespace)
    components = container_components(resource, resources, site)
    leads_to = f"{workload.name}.{workload.namespace}.svc.cluster.local"
    aliases = host_services(resource, components, site, leads_to)
    return [*(made for one in components for made in one.objects), *aliases]


def container_site(options: RenderOptions, namespace: str = "") -> ContainerSite:
    """Where the containers of a rendered file run."""
    cluster = options.cluster
    return ContainerSite(
        cluster.image,
        cluster.image_pull_policy,
        policies=options.policies,
        namespace=namespace,
    )


def workload_of(
    resource: Resource[Any], resources: Loaded, options: RenderOptions = PLAIN
) -> Workload | None:
    """The resource with its plan; None where it is stopped. Raises ``CheckFailed``."""
    namespace = resource.namespace
    if options.namespace and not resource.data.get("metadata", {}).get("namespace"):
        namespace = options.namespace
    spec, addresses = resource.data.get("spec", {}), IN_CLUSTER
    if resource.kind == "InferenceService":
        components = container_components(resource, resources, container_site(options, namespace))
        addresses = replace(IN_CLUSTER, given={one.host: one.url for one in components})
        spec = for_the_ray_cluster(spec, [one.component for one in components])
    plan = _plan(resource, resources, addresses)
    if plan is None:
        return None
    pod = spec.get("predictor", {}) if resource.kind == "InferenceService" else spec
    volumes, mounts = secret_volumes(resources, resource.namespace, pod)
    return Workload(
        kind=resource.kind,
        api_version=str(resource.data["apiVersion"]),
        name=resource.name,
        namespace=namespace,
        spec=spec,
        plan=plan,
        labels=dict(resource.labels),
        annotations=dict(resource.annotations),
        uid=str(resource.data.get("metadata", {}).get("uid") or ""),
        env=secret_env(resources, resource.namespace, pod),
        volumes=volumes,
        mounts=mounts,
    )


def objects_of(
    workload: Workload, options: RenderOptions, config: Mapping[str, Any] | None = None
) -> list[Object]:
    """Every object of one workload. ``config``: see `ray_service`."""
    return list(_objects(workload, options, config))


def _objects(
    workload: Workload, options: RenderOptions, config: Mapping[str, Any] | None
) -> Iterator[Object]:
    yield from service_account(workload)
    if options.policies:
        yield network_policy(workload)
        yield from disruption_budget(workload)
    yield ray_service(workload, options.cluster, config)
    if options.cluster.gateway_class:
        yield stepped_service(workload)
    yield grpc_service(workload, selector(workload))
    yield from routes(workload, options.route)
    if options.monitor:
        yield from monitoring(workload)


def _plan(resource: Resource[Any], resources: Loaded, addresses: ContainerAddresses) -> Plan | None:
    context = [one for one in resources.resources if one.kind in CONTEXT]
    if resource.kind == "InferenceService":
        context += trained_models_of(resource, resources)
    texts = [
        (one.document.place().file, json.dumps(_bare(one), sort_keys=True, default=str))
        for one in (resource, *context)
    ]
    translated = translate(texts, addresses)
    if has_errors(translated.findings):
        raise CheckFailed(translated.findings)
    if not translated.program.served:
        return None
    program = infer(translated.program)
    name = program.served[0]
    plan = passes.plan(program.only(name))
    return replace(plan, decisions=())


def _bare(resource: Resource[Any]) -> Mapping[str, Any]:
    return {key: value for key, value in resource.data.items() if key != "status"}
