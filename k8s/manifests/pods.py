"""Pod templates of a Ray cluster's head and workers: non-root, read-only, no token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.k8s.manifests.options import ClusterOptions
from umbel.k8s.manifests.shared_pods import HELPERS, all_volumes, of_all
from umbel.k8s.manifests.workloads import HANDED_ON, Group, Object, Workload

SERVE_PORT = 80
"""KubeRay's Service has the port of the head's container: it drops a ``targetPort``."""

GRPC_PORT = 9000
"""KServe's for gRPC, and Ray Serve's own. KubeRay puts ports called ``serve-`` on its Service."""

METRICS_PORT = 8080
NAME_LABEL = "umbel.dev/name"
KIND_LABEL = "umbel.dev/kind"
MANAGED = {"app.kubernetes.io/managed-by": "umbel"}

USER = 1000

CONTAINER_SECURITY: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
TMP: Object = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - the pod's own emptyDir
"""The only place a pod can write to."""

POD_SECURITY: Object = {
    "fsGroup": USER,
    "runAsGroup": USER,
    "runAsNonRoot": True,
    "runAsUser": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}

RAY_POD_SECURITY: Object = {
    **POD_SECURITY,
    # A safe one (Kubernetes 1.22, also in the profile "restricted"): user 1000 binds port 80.
    "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
}

ENVIRONMENT: Mapping[str, str] = {
    "HOME": "/tmp",  # noqa: S108 - see TMP
    "OMP_NUM_THREADS": "1",
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_LOG_TO_STDERR": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""What makes Ray Serve quick, and keep to the pod."""

DRAIN_S = 60
"""Seconds a worker has to end its requests before it is killed."""

STOPPING = "sleep 5; ray stop"
"""New requests come until every node knows that the pod is going."""


def labels_of(workload: Workload) -> dict[str, str]:
    """The labels of every object and pod of a resource."""
    return {**workload.labels, NAME_LABEL: workload.name, KIND_LABEL: workload.kind, **MANAGED}


def head_template(workload: Workload, options: ClusterOptions) -> Object:
    """The head's pod: Ray's own processes. No replica runs there (``num-cpus: 0``)."""
    size = {"cpu": options.head_cpu, "memory": options.head_memory}
    container = {
        **_container("ray-head", workload, options, {"requests": size, "limits": size}),
        "ports": [
            _port("gcs-server", 6379),
            _port("dashboard", 8265),
            _port("metrics", METRICS_PORT),
            _port("serve", SERVE_PORT),
            _port("serve-grpc", GRPC_PORT),
        ],
        "startupProbe": _tcp(6379, period_s=2, failures=60),
        "livenessProbe": _tcp(6379, period_s=10, failures=6),
        "readinessProbe": _tcp(8265, period_s=5, failures=3),
    }
    spec = {**_placement(workload, for_head=True), **_pod([container], [])}
    return {"metadata": _metadata(workload), "spec": spec}


def worker_template(workload: Workload, group: Group, options: ClusterOptions) -> Object:
    """A worker's pod: as large as one replica of the group's deployment."""
    own, service = workload.container, workload.service
    env = [*of_all(service, own, "env", "name"), *workload.env]
    given = {one["name"] for one in env}
    env += [{"name": n, "value": v} for n, v in ENVIRONMENT.items() if n not in given]
    container = {
        **_container("ray-worker", workload, options, group.resources),
        "env": env,
        "ports": [
            _port("metrics", METRICS_PORT),
            _port("serve", SERVE_PORT),
            _port("serve-grpc", GRPC_PORT),
        ],
        "startupProbe": _tcp(METRICS_PORT, period_s=2, failures=150),
        "livenessProbe": _tcp(METRICS_PORT, period_s=10, failures=6),
        "readinessProbe": {
            "httpGet": {"path": "/-/healthz", "port": SERVE_PORT},
            "periodSeconds": 2,
            "failureThreshold": 1,
            "timeoutSeconds": 2,
        },
        "lifecycle": {"preStop": {"exec": {"command": ["bash", "-c", STOPPING]}}},
    }
    if sources := of_all(service, own, "envFrom", ""):
        container["envFrom"] = sources
    mounts = of_all(service, own, "volumeMounts", "mountPath")
    container["volumeMounts"] += [*mounts, *workload.mounts]
    placement = _placement(workload)
    volumes = [*all_volumes(service, placement.pop("volumes", [])), *workload.volumes]
    spec = {**placement, **_pod([container], volumes)}
    spec["serviceAccountName"] = workload.account or workload.ray_name
    spec["automountServiceAccountToken"] = False
    grace = workload.pod.get("terminationGracePeriodSeconds")
    spec["terminationGracePeriodSeconds"] = DRAIN_S if grace is None else grace
    return {"metadata": _metadata(workload), "spec": spec}


def _placement(workload: Workload, *, for_head: bool = False) -> Object:
    """The fields that say where pods run; the head needs no GPU node, volume or claim."""
    names = ("imagePullSecrets", "priorityClassName") if for_head else HANDED_ON
    return {name: workload.pod[name] for name in names if workload.pod.get(name)}


def _metadata(workload: Workload) -> Object:
    labels, annotations = labels_of(workload), dict[str, str]()
    for name in (*HELPERS, "predictor"):
        component = workload.service.get(name) or {}
        labels |= component.get("labels") or {}
        annotations |= component.get("annotations") or {}
    labels |= labels_of(workload)  # policies and budgets select by them: no component's to change
    return {"labels": labels, **({"annotations": annotations} if annotations else {})}


def _pod(containers: list[Object], volumes: list[Any]) -> Object:
    return {
        "containers": containers,
        "securityContext": RAY_POD_SECURITY,
        "volumes": [{"name": "tmp", "emptyDir": {}}, *volumes],
    }


def _container(
    name: str, workload: Workload, options: ClusterOptions, resources: Mapping[str, Any]
) -> Object:
    return {
        "name": name,
        "image": workload.image(options.image),
        "imagePullPolicy": options.image_pull_policy,
        "env": [{"name": key, "value": value} for key, value in ENVIRONMENT.items()],
        "resources": resources,
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [TMP],
    }


def _port(name: str, number: int) -> Object:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def _tcp(port: int, *, period_s: int, failures: int) -> Object:
    return {"tcpSocket": {"port": port}, "periodSeconds": period_s, "failureThreshold": failures}
