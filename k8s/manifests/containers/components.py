"""The components of one service that are containers → their objects and addresses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from umbel.k8s.manifests.containers import own_pods, workload_objects
from umbel.k8s.manifests.containers.model_storage import (
    READ_ONLY,
    URI_VARIABLE,
    Access,
    Wanted,
    with_models,
)
from umbel.k8s.manifests.containers.runtime_pods import MAIN, Described, runtime_pod
from umbel.k8s.manifests.containers.site import ContainerSite, Owner
from umbel.k8s.manifests.containers.workload_objects import Part
from umbel.k8s.manifests.storage_access import secret_env, secret_volumes
from umbel.k8s.manifests.workloads import Object
from umbel.k8s.resources import InferenceServiceSpec, Loaded, Resource
from umbel.k8s.translate.containers import InContainer, host_of, in_containers
from umbel.k8s.translate.model_files import model_location
from umbel.k8s.translate.names import protocol

LONGEST_NAME = 63 - 17
"""A pod is called after its Deployment, with 17 characters more."""

_NOT_THE_PODS = (
    "autoscaling.knative.dev/", "kubectl.kubernetes.io/", "serving.knative.dev/",
    "serving.kserve.io/", "umbel.dev/",
)  # fmt: skip
"""Beginnings of annotations that say something to controllers, not to pods."""


@dataclass(frozen=True)
class ContainerComponent:
    """One component. ``host``: what KServe calls its Service; ``name``: its Deployment and the
    Service in front of it; ``url``: where that answers."""

    component: str
    host: str
    name: str
    url: str
    part: Part
    objects: tuple[Object, ...]


def container_components(
    service: Resource[InferenceServiceSpec], loaded: Loaded, site: ContainerSite
) -> list[ContainerComponent]:
    """The components that are containers, the predictor first: the others call it."""
    owner = _owner(service, site)
    found: list[ContainerComponent] = []
    for name, chosen in in_containers(service, loaded).items():
        predictor = next((one for one in found if one.component == "predictor"), None)
        part = _part(service, loaded, owner, chosen, site, predictor)
        url = f"http://{part.name}.{owner.namespace}.svc.cluster.local"
        objects = tuple(workload_objects.objects_of_part(part, policies=site.policies))
        found.append(ContainerComponent(name, part.host, part.name, url, part, objects))
    return found


def host_services(
    service: Resource[InferenceServiceSpec],
    components: list[ContainerComponent],
    site: ContainerSite,
    leads_to: str,
) -> list[Object]:
    """The Services that KServe's users know the components by, where they are not there under
    these names: of numbered ones, and of umbel's own predictor, where containers call it.
    ``leads_to``: the host that answers for that one; empty where none can."""
    owner = _owner(service, site)
    made = []
    if site.numbered:
        made = [workload_objects.service(owner, one.host, one.part) for one in components]
    own = {one.component for one in components}
    if own and "predictor" not in own and leads_to:
        host = host_of(owner.name, "predictor")
        made.append(workload_objects.leading_to(owner, host, leads_to))
    return made


def _owner(service: Resource[InferenceServiceSpec], site: ContainerSite) -> Owner:
    metadata = service.data.get("metadata", {})
    return Owner(
        service.name,
        site.namespace or service.namespace,
        str(service.data["apiVersion"]),
        str(metadata.get("uid") or ""),
        dict(service.labels),
        dict(service.annotations),
    )


def _part(
    service: Resource[InferenceServiceSpec],
    loaded: Loaded,
    owner: Owner,
    chosen: InContainer,
    site: ContainerSite,
    predictor: ContainerComponent | None,
) -> Part:
    name = chosen.component
    spec: Mapping[str, Any] = service.data["spec"][name]
    pod = _pod(service, loaded, chosen, spec)
    if name != "predictor":
        host = _predictor_host(owner, site, predictor)
        pod = own_pods.with_host(pod, own_pods.hosts_of(owner.name, owner.namespace), host)
        pod = own_pods.with_arguments(pod, owner.name, host, spec.get("containerConcurrency"))
    env = {"name": "INFERENCE_SERVICE_NAME", "value": owner.name}
    if name == "predictor":
        pod["containers"] = [_with_variable(one, env) for one in pod["containers"]]
    pod = with_models(
        pod,
        _wanted(service, chosen, spec, pod),
        _access(service, loaded, spec, site),
        read_only=str(owner.annotations.get(READ_ONLY, "")).lower() != "false",
    )
    theirs = chosen.runtime.pod if chosen.runtime else {}
    host = host_of(owner.name, name)
    own = {workload_objects.SERVICE_LABEL: owner.name, "component": name}
    labels = {**(theirs.get("labels") or {}), **owner.labels, **(spec.get("labels") or {}), **own}
    notes = _annotations(theirs.get("annotations"), owner.annotations, spec.get("annotations"))
    part = Part(owner, name, host, host, pod, spec, labels, notes)
    return replace(part, name=_name(part, site))


def _annotations(*given: Mapping[str, Any] | None) -> dict[str, str]:
    """A pod's, the later ones first."""
    return {
        key: str(value)
        for notes in given
        for key, value in (notes or {}).items()
        if not key.startswith(_NOT_THE_PODS)
    }


def _name(part: Part, site: ContainerSite) -> str:
    digest = hashlib.sha256(
        json.dumps(workload_objects.template(part), sort_keys=True, default=str).encode()
    ).hexdigest()[:10]
    if site.numbered:
        return f"{part.host[: LONGEST_NAME - 11].rstrip('-')}-{digest}"
    if len(part.host) <= LONGEST_NAME:
        return part.host
    short = hashlib.sha256(part.host.encode()).hexdigest()[:8]
    return f"{part.host[: LONGEST_NAME - 9].rstrip('-')}-{short}"


def _pod(
    service: Resource[InferenceServiceSpec],
    loaded: Loaded,
    chosen: InContainer,
    spec: Mapping[str, Any],
) -> Object:
    model = service.spec.predictor.as_model()
    if chosen.runtime is None or model is None:
        return own_pods.own_pod(chosen.component, spec)
    block = spec[service.spec.predictor.model_blocks[0][0]] or {}
    described = Described(service.name, service.namespace, service.labels, service.annotations)
    spoken = protocol(service, loaded) if service.spec.transformer is None else "v1"
    return runtime_pod(
        chosen.runtime,
        block,
        spec,
        described,
        model.model_format.name,
        model.protocol_version or spoken,
    )


def _predictor_host(owner: Owner, site: ContainerSite, predictor: ContainerComponent | None) -> str:
    if predictor is not None:
        return f"{predictor.name}.{owner.namespace}"
    if site.predictor_host:
        return site.predictor_host.format(name=owner.name, namespace=owner.namespace)
    return f"{host_of(owner.name, 'predictor')}.{owner.namespace}"


def _wanted(
    service: Resource[InferenceServiceSpec],
    chosen: InContainer,
    spec: Mapping[str, Any],
    pod: Mapping[str, Any],
) -> list[Wanted]:
    listed = [one for one in spec.get("storageUris") or () if one.get("uri")]
    if listed:
        return [Wanted(one["uri"], one.get("mountPath") or Wanted("").path) for one in listed]
    model = service.spec.predictor.as_model()
    if chosen.runtime is not None and model is not None:
        uri = model_location(service.spec.predictor, model, "")
        return [Wanted(uri)] if "://" in uri else []
    mains = (one for one in pod["containers"] if one.get("name") == MAIN)
    for one in (variable for main in mains for variable in main.get("env") or ()):
        if one.get("name") == URI_VARIABLE and "://" in str(one.get("value") or ""):
            return [Wanted(str(one["value"]))]
    return []


def _access(
    service: Resource[InferenceServiceSpec],
    loaded: Loaded,
    spec: Mapping[str, Any],
    site: ContainerSite,
) -> Access:
    volumes, mounts = secret_volumes(loaded, service.namespace, spec)
    env = secret_env(loaded, service.namespace, spec)
    return Access(site.image, site.image_pull_policy, env, volumes, mounts)


def _with_variable(container: Mapping[str, Any], variable: Object) -> Object:
    env = list(container.get("env") or ())
    if any(one.get("name") == variable["name"] for one in env):
        return dict(container)
    return {**container, "env": [*env, variable]}
