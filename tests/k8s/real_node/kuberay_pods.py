"""Pods of a RayCluster as KubeRay builds them (``controllers/ray/common/pod.go``, v1.5 and
later): what it adds to the template's containers, and what it puts beside them."""

from __future__ import annotations

import copy
import math
from typing import Any

from node_files import DOMAIN

Raw = dict[str, Any]

VERSION = "v1.5.0"
GCS_PORT, METRICS_PORT, AGENT_PORT = "6379", "8080", "52365"
BASH = ["/bin/bash", "-c", "--"]
VALUELESS = ("log-color", "include-dashboard")
"""Options of ``ray start`` that are not switches although their value may be true or false."""

HTTP = {"initialDelaySeconds": 10, "timeoutSeconds": 5, "periodSeconds": 5, "successThreshold": 1}

WAIT = """
while true; do
  if ray health-check --address {address} > /dev/null 2>&1; then
    echo "GCS is ready."
    break
  fi
  echo "Waiting for GCS to be ready."
  sleep 5
done
"""


def head_service_name(cluster: str) -> str:
    return f"{cluster}-head-svc"


def head_pod(cluster: Raw) -> Raw:
    """The head, with the autoscaler beside it where it is on."""
    spec, name = cluster["spec"], cluster["metadata"]["name"]
    group = copy.deepcopy(spec["headGroupSpec"])
    template, params = group["template"], {**group.get("rayStartParams", {})}
    pod = template["spec"]
    container = pod["containers"][0]
    if spec.get("enableInTreeAutoscaling"):
        params["no-monitor"] = "true"
        pod["serviceAccountName"] = name
        pod["containers"].append(_autoscaler(cluster, container["image"]))
        if (spec.get("autoscalerOptions") or {}).get("version") == "v2":
            _env(container, "RAY_enable_autoscaler_v2", "true")
            pod["restartPolicy"] = "Never"
    _token(cluster, container)
    params.setdefault("dashboard-host", "0.0.0.0")
    params = {**params, **_common_params(params)}
    labels = _labels(cluster, "head", "headgroup", template)
    labels["ray.io/serve"] = "false"
    _share_memory(pod, container)
    if spec.get("enableInTreeAutoscaling"):
        pod.setdefault("volumes", []).append({"name": "ray-logs", "emptyDir": {}})
        for one in (container, pod["containers"][-1]):
            one.setdefault("volumeMounts", []).append({"name": "ray-logs", "mountPath": "/tmp/ray"})
    command = _start("ray start --head ", params, container)
    _common_env(container, command, "127.0.0.1")
    _env(container, "RAY_USAGE_STATS_EXTRA_TAGS", f"kuberay_version={VERSION}")
    _probes(container, is_worker=False)
    return _pod(cluster, f"{name}-head-", labels, template)


def worker_pod(cluster: Raw, group: Raw) -> Raw:
    """A worker of a group; it waits for the head in an init container."""
    spec, name = cluster["spec"], cluster["metadata"]["name"]
    template, params = copy.deepcopy(group["template"]), {**group.get("rayStartParams", {})}
    pod = template["spec"]
    container = pod["containers"][0]
    host = f"{head_service_name(name)}.{cluster['metadata']['namespace']}.svc.{DOMAIN}"
    small = {"cpu": "200m", "memory": "256Mi"}
    wait = {
        "name": "wait-gcs-ready",
        "image": container["image"],
        "imagePullPolicy": container.get("imagePullPolicy", "IfNotPresent"),
        "command": BASH,
        "args": [WAIT.format(address=f"{host}:{GCS_PORT}")],
        "securityContext": copy.deepcopy(container.get("securityContext")),
        "env": copy.deepcopy(container.get("env", [])),
        "volumeMounts": copy.deepcopy(container.get("volumeMounts", [])),
        "resources": {"limits": small, "requests": small},
    }
    pod.setdefault("initContainers", []).append(wait)
    if (spec.get("autoscalerOptions") or {}).get("version") == "v2":
        pod["restartPolicy"] = "Never"
    for one in (container, wait):
        _token(cluster, one)
    _env(wait, "FQ_RAY_IP", host)
    _env(wait, "RAY_IP", host.split(".", maxsplit=1)[0])
    labels = _labels(cluster, "worker", group["groupName"], template, group.get("labels"))
    labels["ray.io/serve"] = "true"
    if group.get("labels"):
        params["labels"] = ",".join(f"{k}={v}" for k, v in sorted(group["labels"].items()))
    params.setdefault("address", f"{host}:{GCS_PORT}")
    params = {**params, **_common_params(params)}
    _share_memory(pod, container)
    command = _start("ray start ", params, container)
    _env(container, "FQ_RAY_IP", host)
    _env(container, "RAY_IP", host.split(".", maxsplit=1)[0])
    _common_env(container, command, host)
    _probes(container, is_worker=True)
    return _pod(cluster, f"{name}-{group['groupName']}-worker-", labels, template)


def _pod(cluster: Raw, generated: str, labels: Raw, template: Raw) -> Raw:
    meta = cluster["metadata"]
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": generated,
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner_of(cluster)],
        },
        "spec": template["spec"],
    }


def owner_of(raw: Raw) -> Raw:
    meta = raw["metadata"]
    named = {"apiVersion": raw["apiVersion"], "kind": raw["kind"], "name": meta["name"]}
    return {**named, "uid": meta["uid"], "controller": True, "blockOwnerDeletion": True}


def _labels(cluster: Raw, kind: str, group: str, template: Raw, more: Raw | None = None) -> Raw:
    name = cluster["metadata"]["name"]
    fixed = {"ray.io/cluster": name, "ray.io/node-type": kind, "ray.io/group": group}
    return {
        "ray.io/is-ray-node": "yes",
        "ray.io/identifier": f"{name}-{kind}"[-63:],
        "app.kubernetes.io/name": "kuberay",
        "app.kubernetes.io/created-by": "kuberay-operator",
        **((template.get("metadata") or {}).get("labels") or {}),
        **(more or {}),
        **fixed,
    }


def _common_params(params: Raw) -> Raw:
    return {
        "metrics-export-port": params.get("metrics-export-port", METRICS_PORT),
        "dashboard-agent-listen-port": params.get("dashboard-agent-listen-port", AGENT_PORT),
        "block": "true",
    }


def _start(begin: str, params: Raw, container: Raw) -> str:
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    if "num-cpus" not in params and (cpu := limits.get("cpu", requests.get("cpu"))):
        params["num-cpus"] = str(math.ceil(quantity(cpu)))
    if "memory" not in params and limits.get("memory"):
        params["memory"] = str(int(quantity(limits["memory"])))
    for key in sorted(limits):
        if key.endswith("gpu"):
            params.setdefault("num-gpus", str(int(quantity(limits[key]))))
    command = begin + "".join(_flag(name, params[name]) for name in sorted(params))
    given = [*container.get("command", []), *container.get("args", [])]
    before = "".join(f" {word} " for word in given)
    whole = f"ulimit -n ${{RAY_START_ULIMIT_OPEN_FILES:-65536}}; {command}"
    container["command"] = BASH
    container["args"] = [f"{before} && {whole}" if before else whole]
    return command


def _flag(name: str, value: str) -> str:
    if value.lower() in ("true", "false") and name not in VALUELESS:
        return f" --{name} " if value.lower() == "true" else ""
    return f" --{name}={value} "


def quantity(value: object) -> float:
    """A Kubernetes quantity as a number."""
    text = str(value)
    unit = text.lstrip("0123456789.")
    units = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "": 1.0}
    units |= {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
    return float(text[: len(text) - len(unit)]) * units[unit]


def _share_memory(pod: Raw, container: Raw) -> None:
    limits = (container.get("resources") or {}).get("limits") or {}
    volume = {"medium": "Memory", **({"sizeLimit": m} if (m := limits.get("memory")) else {})}
    pod.setdefault("volumes", []).append({"name": "shared-mem", "emptyDir": volume})
    container.setdefault("volumeMounts", []).append({"name": "shared-mem", "mountPath": "/dev/shm"})


def _common_env(container: Raw, command: str, host: str) -> None:
    for name, path in (
        ("RAY_CLUSTER_NAME", "metadata.labels['ray.io/cluster']"),
        ("RAY_CLUSTER_NAMESPACE", "metadata.namespace"),
        ("RAY_CLOUD_INSTANCE_ID", "metadata.name"),
        ("RAY_NODE_TYPE_NAME", "metadata.labels['ray.io/group']"),
    ):
        container["env"].append({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}})
    for name, value in (
        ("KUBERAY_GEN_RAY_START_CMD", command),
        ("RAY_PORT", GCS_PORT),
        ("RAY_timeout_ms_task_wait_for_death_info", "0"),
        ("RAY_gcs_server_request_timeout_seconds", "5"),
        ("RAY_SERVE_KV_TIMEOUT_S", "5"),
        ("RAY_ADDRESS", f"{host}:{GCS_PORT}"),
        ("RAY_USAGE_STATS_KUBERAY_IN_USE", "1"),
        ("RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE", "1"),
    ):
        _env(container, name, value)


def _env(container: Raw, name: str, value: str) -> None:
    """The template's own variable wins."""
    there = container.setdefault("env", [])
    if all(one["name"] != name for one in there):
        there.append({"name": name, "value": value})


def _token(cluster: Raw, container: Raw) -> None:
    if ((cluster["spec"].get("authOptions") or {}).get("mode")) != "token":
        return
    _env(container, "RAY_AUTH_MODE", "token")
    reference = {"name": cluster["metadata"]["name"], "key": "auth_token"}
    container["env"].append({"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": reference}})


def _probes(container: Raw, *, is_worker: bool) -> None:
    """Only where the template has none; Ray 2.53 and later answers at one path."""
    health = {"httpGet": {"path": "/api/healthz", "port": int(AGENT_PORT)}, **HTTP}
    container.setdefault("livenessProbe", {**health, "failureThreshold": 120})
    if not is_worker:
        container.setdefault("readinessProbe", {**health, "failureThreshold": 10})
    elif "readinessProbe" not in container:
        raise AssertionError("a worker's readiness: the template has to say it here")


def _autoscaler(cluster: Raw, image: str) -> Raw:
    sizes = {"cpu": "500m", "memory": "512Mi"}
    made: Raw = {
        "name": "autoscaler",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            _field("RAY_CLUSTER_NAME", "metadata.labels['ray.io/cluster']"),
            _field("RAY_CLUSTER_NAMESPACE", "metadata.namespace"),
            _field("RAY_HEAD_POD_NAME", "metadata.name"),
            {"name": "KUBERAY_CRD_VER", "value": "v1"},
        ],
        "command": BASH,
        "args": [
            "ray kuberay-autoscaler --cluster-name $(RAY_CLUSTER_NAME)"
            " --cluster-namespace $(RAY_CLUSTER_NAMESPACE)"
        ],
        "resources": {"limits": sizes, "requests": sizes},
    }
    _token(cluster, made)
    options = cluster["spec"].get("autoscalerOptions") or {}
    for name in ("env", "envFrom", "volumeMounts"):
        if options.get(name):
            made[name] = [*made.get(name, []), *options[name]]
    for name in ("resources", "image", "imagePullPolicy", "securityContext"):
        if options.get(name):
            made[name] = copy.deepcopy(options[name])
    return made


def _field(name: str, path: str) -> Raw:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
