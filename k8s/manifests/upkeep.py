"""What stands beside the RayService: account, policies, monitoring."""

from __future__ import annotations

from umbel.k8s.manifests.pods import GRPC_PORT, KIND_LABEL, METRICS_PORT, NAME_LABEL, SERVE_PORT
from umbel.k8s.manifests.ray_services import metadata
from umbel.k8s.manifests.workloads import Object, Workload

NODE_TYPE = "ray.io/node-type"

KUBERAY: Object = {
    "namespaceSelector": {},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "kuberay-operator"}},
}
"""KubeRay's operator, in whichever namespace it runs. A pod may carry this label without being
it, and stands before a dashboard then that asks for Ray's token."""


def service_account(workload: Workload) -> list[Object]:
    """An account without rights for the workers, where the resource names none of its own."""
    if workload.account:
        return []
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(workload, workload.ray_name),
            "automountServiceAccountToken": False,
        }
    ]


def stepped_service(workload: Workload) -> Object:
    """The Service ``NAME`` where a change of the pods goes in steps: KubeRay makes none then
    but one for each of the two clusters, and both serve."""
    port = {"name": "http", "port": 80, "targetPort": SERVE_PORT, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(workload, workload.name),
        "spec": {"selector": {**selector(workload), "ray.io/serve": "true"}, "ports": [port]},
    }


def network_policy(workload: Workload) -> Object:
    """Who reaches the pods: each other, on all ports; everyone, on the serving ports;
    the Prometheus of the cluster; KubeRay's operator, on Ray's dashboard, which umbel's does not
    ask."""
    own = {"podSelector": {"matchLabels": selector(workload)}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(workload, workload.ray_name),
        "spec": {
            "podSelector": own["podSelector"],
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [own]},
                {"ports": [_port(SERVE_PORT), _port(GRPC_PORT), _port(METRICS_PORT)]},
                {"from": [KUBERAY], "ports": [_port(8265)]},
            ],
        },
    }


def disruption_budget(workload: Workload) -> list[Object]:
    """One worker at a time is drained, where more than one always run: with a single one the
    budget would only keep its node from ever being drained."""
    if all(group.replicas.min < 2 for group in workload.groups()):
        return []
    match = {**selector(workload), NODE_TYPE: "worker"}
    return [
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(workload, workload.ray_name),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": match}},
        }
    ]


def monitoring(workload: Workload) -> list[Object]:
    """A headless Service with every pod's metrics port, and the ServiceMonitor that reads it.
    KubeRay's own Services lead to one pod at a time."""
    name = f"{workload.ray_name}-metrics"
    port = {"name": "metrics", "port": METRICS_PORT, "targetPort": METRICS_PORT, "protocol": "TCP"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(workload, name),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector(workload),
            "ports": [port],
        },
    }
    labels = {**service["metadata"]["labels"], "umbel.dev/part": "metrics"}  # type: ignore[index]
    service["metadata"] = {**metadata(workload, name), "labels": labels}
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(workload, workload.ray_name),
        "spec": {
            "selector": {"matchLabels": {**selector(workload), "umbel.dev/part": "metrics"}},
            "endpoints": [{"port": "metrics", "interval": "15s"}],
            "targetLabels": [NAME_LABEL, KIND_LABEL],
        },
    }
    return [service, monitor]


def selector(workload: Workload) -> dict[str, str]:
    """The labels that every pod of the resource has, and nothing else."""
    return {NAME_LABEL: workload.name, KIND_LABEL: workload.kind}


def _port(number: int) -> Object:
    return {"port": number, "protocol": "TCP"}
