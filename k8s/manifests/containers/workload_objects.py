"""A component's pod → Deployment, Service, autoscaler and policies: KServe's Standard mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from umbel.k8s.manifests.containers.runtime_pods import MAIN, TRANSFORMER
from umbel.k8s.manifests.containers.site import Owner
from umbel.k8s.manifests.owner_references import owner_reference
from umbel.k8s.manifests.workloads import CPU, MEMORY, Object, quantity

MANAGED = {"app.kubernetes.io/managed-by": "umbel-containers"}
"""Label of every object; the operator looks its own up by it."""

SERVICE_LABEL = "serving.kserve.io/inferenceservice"

PORT = 80
DEFAULT_PORT = 8080
CPU_PERCENT = 80
"""What KServe's autoscaler steers to where nothing else is said."""

_SECURITY: Mapping[str, Any] = {"allowPrivilegeEscalation": False}
_PROBE: Mapping[str, int] = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}


@dataclass(frozen=True)
class Part:
    """One component as it is applied. ``host``: what KServe calls its Service; ``name``: what
    its objects are called; ``spec``: the component as plain data."""

    owner: Owner
    component: str
    host: str
    name: str
    pod: Object
    spec: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def selector(self) -> dict[str, str]:
        """The labels that its pods have and no others."""
        return {"app": f"isvc.{self.name}"}


def objects_of_part(part: Part, *, policies: bool = True) -> Iterator[Object]:
    """All objects of the component, in the order to apply them in."""
    if policies:
        yield _network_policy(part)
        if _least(part) > 1:
            yield _disruption_budget(part)
    yield _deployment(part)
    yield service(part.owner, part.name, part)
    if _most(part) > _least(part) and _autoscaled(part):
        yield _autoscaler(part)


def metadata(owner: Owner, name: str, labels: Mapping[str, str]) -> Object:
    """Metadata of an object that goes when the resource goes."""
    data: Object = {"name": name, "namespace": owner.namespace, "labels": {**labels, **MANAGED}}
    if owner.uid:
        reference = owner_reference(owner.api_version, "InferenceService", owner.name, owner.uid)
        data["ownerReferences"] = [reference]
    return data


def service(owner: Owner, name: str, part: Part) -> Object:
    """The Service ``name`` that leads to the component's pods, on port 80."""
    ports = _serving(part).get("ports") or [{"containerPort": DEFAULT_PORT}]
    found = []
    for number, one in enumerate(ports):
        target = int(one["containerPort"])
        own = str(one.get("name") or "") or (f"port-{target}" if number else "http")
        port = PORT if number == 0 else target
        protocol = one.get("protocol") or "TCP"
        found.append({"name": own, "port": port, "targetPort": target, "protocol": protocol})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(owner, name, part.labels),
        "spec": {"type": "ClusterIP", "selector": part.selector, "ports": found},
    }


def leading_to(owner: Owner, name: str, host: str) -> Object:
    """The Service ``name``, another name of ``host``."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(owner, name, {SERVICE_LABEL: owner.name}),
        "spec": {
            "type": "ExternalName",
            "externalName": host,
            "ports": [{"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP"}],
        },
    }


def template(part: Part) -> Object:
    """The pod template: KServe's defaults, and what a pod does without unless it asks."""
    pod: Object = {**part.pod, "containers": [_completed(one) for one in part.pod["containers"]]}
    pod.setdefault("securityContext", {"seccompProfile": {"type": "RuntimeDefault"}})
    pod.setdefault("terminationGracePeriodSeconds", 30)
    account = pod.get("serviceAccountName") or pod.get("serviceAccount")
    if "automountServiceAccountToken" not in pod and not account:
        pod["automountServiceAccountToken"] = False
    labels = {**part.labels, **part.selector}
    notes = {"annotations": dict(part.annotations)} if part.annotations else {}
    return {"metadata": {"labels": labels, **notes}, "spec": pod}


def _deployment(part: Part) -> Object:
    spec: Object = {
        "selector": {"matchLabels": part.selector},
        "template": template(part),
        "strategy": part.spec.get("deploymentStrategy")
        or {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
        },
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }
    if not (_most(part) > _least(part) and _autoscaled(part)):  # else the autoscaler says it
        spec = {"replicas": _least(part), **spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(part.owner, part.name, part.labels),
        "spec": spec,
    }


def _completed(container: Mapping[str, Any]) -> Object:
    found: Object = {**container}
    found.setdefault("imagePullPolicy", "IfNotPresent")
    found.setdefault("securityContext", dict(_SECURITY))
    found.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
    if container.get("name") in (MAIN, TRANSFORMER):
        ports = container.get("ports") or [{"containerPort": DEFAULT_PORT}]
        probe = {"tcpSocket": {"port": ports[0]["containerPort"]}, **_PROBE}
        found.setdefault("readinessProbe", probe)
    if container.get("name") == MAIN:
        found["resources"] = _sized(container.get("resources") or {})
    return found


def _sized(asked: Mapping[str, Any]) -> Object:
    """KServe's default size where a container says nothing: never a limit below a request."""
    limits, requests = dict(asked.get("limits") or {}), dict(asked.get("requests") or {})
    for name, usual in (("cpu", CPU), ("memory", MEMORY)):
        most = limits.get(name, usual)
        given = requests.setdefault(name, min(usual, most, key=quantity))
        limits.setdefault(name, max(usual, given, key=quantity))
    requests = {**limits, **requests}
    more = {key: asked[key] for key in asked if key not in ("limits", "requests")}
    return {"requests": requests, "limits": limits, **more}


def _serving(part: Part) -> Mapping[str, Any]:
    """The container that takes requests: a transformer beside the model stands in front."""
    named: dict[Any, Mapping[str, Any]] = {one.get("name"): one for one in part.pod["containers"]}
    first: Mapping[str, Any] = part.pod["containers"][0]
    return named.get(TRANSFORMER) or named.get(MAIN) or first


def _least(part: Part) -> int:
    """At least one: without Knative nothing wakes a Deployment that sleeps."""
    asked = part.spec.get("minReplicas")
    return max(1, 1 if asked is None else int(asked))


def _most(part: Part) -> int:
    return max(int(part.spec.get("maxReplicas") or 0), _least(part))


def _autoscaled(part: Part) -> bool:
    name = "serving.kserve.io/autoscalerClass"
    asked = {**part.owner.annotations, **(part.spec.get("annotations") or {})}.get(name)
    return asked not in ("external", "none")


def _autoscaler(part: Part) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": part.name}
    behavior = (part.spec.get("autoScaling") or {}).get("behavior")
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(part.owner, part.name, part.labels),
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": _least(part),
            "maxReplicas": _most(part),
            "metrics": list(_metrics(part.spec)),
            **({"behavior": behavior} if behavior else {}),
        },
    }


def _metrics(spec: Mapping[str, Any]) -> Iterator[Object]:
    """CPU or memory, as the resource says, in percent of what is requested."""
    listed = [
        one["resource"]
        for one in (spec.get("autoScaling") or {}).get("metrics") or ()
        if isinstance(one.get("resource"), Mapping)
    ]
    for one in listed:
        target = one.get("target") or {}
        found = {
            "type": target.get("type") or "Utilization",
            **{k: target[k] for k in ("averageUtilization", "averageValue") if k in target},
        }
        if found["type"] == "Utilization":
            found.setdefault("averageUtilization", CPU_PERCENT)
        yield {"type": "Resource", "resource": {"name": one.get("name"), "target": found}}
    if listed:
        return
    metric = spec.get("scaleMetric")
    ours = metric in (None, "cpu", "memory")
    percent = (spec.get("scaleTarget") if ours else None) or CPU_PERCENT
    found = {"type": "Utilization", "averageUtilization": percent}
    name = metric if ours and metric else "cpu"
    yield {"type": "Resource", "resource": {"name": name, "target": found}}


def _network_policy(part: Part) -> Object:
    """Everyone reaches the ports that the containers declare, nobody any other."""
    declared = [one for container in part.pod["containers"] for one in container.get("ports") or ()]
    if not _serving(part).get("ports"):
        declared.insert(0, {"containerPort": DEFAULT_PORT})
    ports = [
        {"port": int(one["containerPort"]), "protocol": one.get("protocol") or "TCP"}
        for one in declared
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(part.owner, part.name, part.labels),
        "spec": {
            "podSelector": {"matchLabels": part.selector},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": ports}],
        },
    }


def _disruption_budget(part: Part) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(part.owner, part.name, part.labels),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": part.selector}},
    }
