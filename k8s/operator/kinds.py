"""The kinds of resources the operator reads and writes, and where the API server has them."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """``group`` is empty for Kubernetes' core."""

    name: str
    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As resources write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL's path; without a name, of the list; without a namespace, of all of them."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(parts)


_SERVING = "serving.kserve.io"

SERVICE = Kind("InferenceService", _SERVING, "v1beta1", "inferenceservices")
GRAPH = Kind("InferenceGraph", _SERVING, "v1alpha1", "inferencegraphs")
MODEL = Kind("TrainedModel", _SERVING, "v1alpha1", "trainedmodels")
RUNTIME = Kind("ServingRuntime", _SERVING, "v1alpha1", "servingruntimes")
CLUSTER_RUNTIME = Kind(
    "ClusterServingRuntime", _SERVING, "v1alpha1", "clusterservingruntimes", False
)
REVISION = Kind("ControllerRevision", "apps", "v1", "controllerrevisions")
CONFIG_MAP = Kind("ConfigMap", "", "v1", "configmaps")
SECRET = Kind("Secret", "", "v1", "secrets")
ACCOUNT = Kind("ServiceAccount", "", "v1", "serviceaccounts")
EVENT = Kind("Event", "", "v1", "events")
LEASE = Kind("Lease", "coordination.k8s.io", "v1", "leases")
CORE_SERVICE = Kind("Service", "", "v1", "services")
NETWORK_POLICY = Kind("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies")
DISRUPTION_BUDGET = Kind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets")
POD = Kind("Pod", "", "v1", "pods")
RAY_SERVICE = Kind("RayService", "ray.io", "v1", "rayservices")

MADE = (
    ACCOUNT,
    NETWORK_POLICY,
    DISRUPTION_BUDGET,
    RAY_SERVICE,
    Kind("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes"),
    Kind("Ingress", "networking.k8s.io", "v1", "ingresses"),
    CORE_SERVICE,
    Kind("ServiceMonitor", "monitoring.coreos.com", "v1", "servicemonitors"),
)
"""What a resource comes to with KubeRay."""

DEPLOYMENT = Kind("Deployment", "apps", "v1", "deployments")

CONTAINERS = (
    NETWORK_POLICY,
    DISRUPTION_BUDGET,
    DEPLOYMENT,
    CORE_SERVICE,
    Kind("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers"),
)
"""What a component comes to that is a container."""

WATCHED = (SERVICE, GRAPH, MODEL, RUNTIME, CLUSTER_RUNTIME)
"""A change of one of these is a reason to look again."""

BY_NAME = {one.name: one for one in (SERVICE, GRAPH, MODEL)}
"""The kinds that get a status, by name."""
