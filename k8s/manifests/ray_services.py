"""KubeRay's RayService for one resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.k8s.manifests.options import ClusterOptions
from umbel.k8s.manifests.owner_references import owner_reference
from umbel.k8s.manifests.pods import (
    CONTAINER_SECURITY,
    SERVE_PORT,
    TMP,
    head_template,
    labels_of,
    worker_template,
)
from umbel.k8s.manifests.serve_config import ServeOptions, config_text, serve_config
from umbel.k8s.manifests.workloads import Group, Object, Workload

MOST_PODS = 1000
"""Of one group: out of the way of what Serve asks for."""


def ray_service(
    workload: Workload, options: ClusterOptions, config: Mapping[str, Any] | None = None
) -> Object:
    """The RayService. ``config`` replaces the Serve configuration of the workload's own plan,
    where a rollout has several applications."""
    groups = workload.groups()
    served = config if config is not None else own_config(workload)
    spec: Object = {
        "serveConfigV2": config_text(served),
        "excludeHeadPodFromServeSvc": _without_head(groups, options),
        "upgradeStrategy": _upgrade(options),
        "serveService": _service(workload),
        "rayClusterConfig": _cluster(workload, groups, options),
    }
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": metadata(workload, workload.ray_name),
        "spec": spec,
    }


def _without_head(groups: tuple[Group, ...], options: ClusterOptions) -> bool:
    """Whether only workers take requests. The proxy on the head takes the first ones when a new
    cluster takes over, before Kubernetes knows of its workers, and holds those that come while
    there is no worker. It is left out where workers outlive the head."""
    return bool(options.redis_address) and all(group.replicas.min > 0 for group in groups)


def own_config(workload: Workload) -> dict[str, Any]:
    """The Serve configuration of a resource alone: one application, at the root of its host.
    Each replica reserves the CPUs of a pod, so that it gets one, as KServe's do."""
    config = serve_config(workload.plan, ServeOptions(rooted=True), port=SERVE_PORT)
    ingress = workload.groups()[0]
    for application in config["applications"]:
        application["deployments"][0]["ray_actor_options"] = {"num_cpus": ingress.cpus}
    return config


def metadata(workload: Workload, name: str) -> Object:
    """Metadata of an object that goes when its resource goes."""
    data: Object = {"name": name, "namespace": workload.namespace, "labels": labels_of(workload)}
    if workload.uid:
        owner = (workload.api_version, workload.kind, workload.name, workload.uid)
        data["ownerReferences"] = [owner_reference(*owner)]
    return data


def _service(workload: Workload) -> Object:
    """The Service ``NAME`` on port 80, as KServe's; KubeRay points it at the cluster that
    serves. The port has to be called ``serve``."""
    port = {"name": "serve", "port": SERVE_PORT, "protocol": "TCP"}
    return {
        "metadata": {"name": workload.name, "labels": labels_of(workload)},
        "spec": {"type": "ClusterIP", "ports": [port]},
    }


def _upgrade(options: ClusterOptions) -> Object:
    if not options.gateway_class:
        return {"type": "NewCluster"}
    steps = {
        "gatewayClassName": options.gateway_class,
        "maxSurgePercent": 100,
        "stepSizePercent": 25,
        "intervalSeconds": 10,
    }
    return {"type": "NewClusterWithIncrementalUpgrade", "clusterUpgradeOptions": steps}


def _cluster(workload: Workload, groups: tuple[Group, ...], options: ClusterOptions) -> Object:
    spec: Object = {
        "rayVersion": options.ray_version,
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {
            "version": "v2",
            "upscalingMode": "Default",
            "idleTimeoutSeconds": options.idle_timeout_s,
            "securityContext": CONTAINER_SECURITY,
            "volumeMounts": [TMP],
        },
        "headGroupSpec": {
            "rayStartParams": {"dashboard-host": "0.0.0.0", "num-cpus": "0"},  # noqa: S104
            "serviceType": "ClusterIP",
            "template": head_template(workload, options),
        },
        "workerGroupSpecs": [_group(workload, group, options) for group in groups],
    }
    if options.token_auth:
        spec["authOptions"] = {"mode": "token"}
    if options.tls:
        spec["tlsOptions"] = {"enabled": True}
    if options.redis_address:
        spec["gcsFaultToleranceOptions"] = _fault_tolerance(options)
    return spec


def _fault_tolerance(options: ClusterOptions) -> Object:
    found: Object = {"redisAddress": options.redis_address}
    if options.redis_secret:
        key = {"name": options.redis_secret, "key": "password"}
        found["redisPassword"] = {"valueFrom": {"secretKeyRef": key}}
    return found


def _group(workload: Workload, group: Group, options: ClusterOptions) -> Object:
    params: dict[str, str] = {}
    if group.accelerator:
        # In quotes for the shell, and without any other: KubeRay reads it, too.
        params["resources"] = f"'{{\"accelerator_type:{group.accelerator}\": 1}}'"
    return {
        "groupName": group.name,
        "replicas": group.replicas.min,
        # Serve's replicas are what is bounded, and pods follow them. KubeRay does not carry
        # other bounds over to a cluster that runs.
        "minReplicas": 0,
        "maxReplicas": MOST_PODS,
        "rayStartParams": params,
        **({"labels": dict(group.labels)} if group.labels else {}),
        "template": worker_template(workload, group, options),
    }
