"""A stand-in for KubeRay's operator: python tests/k8s/real_node/kuberay.py KUBECONFIG

Follows ``rayservice_controller.go`` (v1.5): a pending cluster, the Serve configuration put to its
dashboard, the Services switched when all applications run, the old cluster deleted after a while.
"""

from __future__ import annotations

import copy
import hashlib
import json
import secrets
import sys
import time
import traceback
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "support")]

from kuberay_clusters import RayClusters, is_ready  # noqa: E402
from kuberay_pods import owner_of  # noqa: E402
from kuberay_rules import findings  # noqa: E402
from kuberay_services import (  # noqa: E402
    head_service,
    point_to,
    serve_service,
    service_ports,
    token_of,
)
from object_api import KubeApi  # noqa: E402

Raw = dict[str, Any]
HASH = "ray.io/hash-without-replicas-and-workers-to-delete"
DELETION_DELAY_S = 60.0


class KubeRay:
    """Level-triggered: ``once`` looks at every RayService and RayCluster."""

    def __init__(self, api: KubeApi, deletion_delay_s: float = DELETION_DELAY_S) -> None:
        self._api, self._clusters, self._delay = api, RayClusters(api), deletion_delay_s
        self._submitted: dict[str, str] = {}
        self._doomed: dict[str, float] = {}

    def once(self) -> None:
        for service in self._api.listing("rayservices"):
            self._guard(self._service, service)
        for cluster in self._api.listing("rayclusters"):
            if "deletionTimestamp" not in cluster["metadata"]:
                self._guard(self._clusters.reconcile, cluster)

    def _guard(self, step: Any, raw: Raw) -> None:
        try:
            step(raw)
        except urllib.error.HTTPError as error:
            print(f"{raw['metadata']['name']}: {error} {error.read()[:500]!r}", flush=True)
        except OSError as error:
            print(f"{raw['metadata']['name']}: {error}", flush=True)

    def _service(self, service: Raw) -> None:
        if refused := findings(service):
            print(f"{service['metadata']['name']} is invalid: {refused}", flush=True)
            return
        meta, before = service["metadata"], copy.deepcopy(service.get("status") or {})
        status: Raw = copy.deepcopy(before)
        active = self._cluster(service, status.get("activeServiceStatus"))
        pending = self._cluster(service, status.get("pendingServiceStatus"))
        waiting = (status.get("pendingServiceStatus") or {}).get("rayClusterName")
        if waiting and pending is None:
            pending = self._create(service, waiting)
        for one in (active, pending):
            if one is not None:
                self._label_head(service, one)
        target = pending or active
        ready, applications = self._serve(service, target) if target else (False, {})
        if target is not None:
            part = "pendingServiceStatus" if target is pending else "activeServiceStatus"
            status[part] = _part(target, applications)
            if target is pending and active is not None:  # nothing is asked of it meanwhile
                status["activeServiceStatus"] = _part(active, {})
        if ready and target is not None:
            point_to(self._api, head_service(target, f"{meta['name']}-head-svc", service))
            point_to(self._api, serve_service(service, target))
            if target is pending:
                print(f"{target['metadata']['name']} takes over", flush=True)
                status["activeServiceStatus"] = status.pop("pendingServiceStatus")
                active, pending = target, None
        newest = pending or active
        if newest is None or newest["metadata"]["annotations"][HASH] != _hash(service):
            name = f"{meta['name']}-{secrets.token_hex(3)[:5]}"
            status["pendingServiceStatus"] = {"rayClusterName": name}
        self._conclude(service, status)
        if status != before:
            status["lastUpdateTime"] = _now()
            self._api.replace("rayservices", {**service, "status": status}, "/status")
        self._clean_up(service, status)

    def _cluster(self, service: Raw, part: Raw | None) -> Raw | None:
        name = (part or {}).get("rayClusterName")
        if not name:
            return None
        return self._api.get("rayclusters", service["metadata"]["namespace"], name)

    def _create(self, service: Raw, name: str) -> Raw:
        meta = service["metadata"]
        origin = {
            "ray.io/originated-from-cr-name": meta["name"],
            "ray.io/originated-from-crd": "RayService",
        }
        made = {
            "apiVersion": "ray.io/v1",
            "kind": "RayCluster",
            "metadata": {
                "name": name,
                "namespace": meta["namespace"],
                "labels": {**(meta.get("labels") or {}), **origin},
                "annotations": {**(meta.get("annotations") or {}), HASH: _hash(service)},
                "ownerReferences": [owner_of(service)],
            },
            "spec": service["spec"]["rayClusterConfig"],
        }
        print(f"RayCluster {name}", flush=True)
        return self._api.create("rayclusters", made)

    def _label_head(self, service: Raw, cluster: Raw) -> None:
        """The head takes requests where its proxy answers and it is not excluded."""
        for head in self._clusters.pods(cluster, "head"):
            healthy = not service["spec"].get("excludeHeadPodFromServeSvc") and _healthy(
                head.get("status", {}).get("podIP"), service_ports(cluster)["serve"]
            )
            wanted = "true" if healthy else "false"
            if head["metadata"]["labels"].get("ray.io/serve") != wanted:
                change = {"metadata": {"labels": {"ray.io/serve": wanted}}}
                self._api.merge("pods", head, change)

    def _serve(self, service: Raw, cluster: Raw) -> tuple[bool, Raw]:
        """(every application runs, their states); the configuration is put where it changed."""
        name = cluster["metadata"]["name"]
        heads = [one for one in self._clusters.pods(cluster, "head") if is_ready(one)]
        if not heads:
            return False, {}
        port = service_ports(cluster)["dashboard"]
        url = f"http://{heads[0]['status']['podIP']}:{port}/api/serve/applications/"
        token = token_of(self._api, cluster)
        found = _ask(url, token)["applications"]
        text = service["spec"]["serveConfigV2"]
        ready = bool(found) and all(one["status"] == "RUNNING" for one in found.values())
        if self._submitted.get(name) != text or not found:
            _ask(url, token, yaml.safe_load(text))
            self._submitted[name] = text
            print(f"{name}: the Serve configuration was put", flush=True)
        return ready, {
            app or "default": {
                "status": one["status"],
                "message": one.get("message", ""),
                "serveDeploymentStatuses": {
                    part: {"status": state["status"], "message": state.get("message", "")}
                    for part, state in one.get("deployments", {}).items()
                },
            }
            for app, one in found.items()
        }

    def _conclude(self, service: Raw, status: Raw) -> None:
        meta = service["metadata"]
        given = (service["spec"].get("serveService") or {}).get("metadata") or {}
        name = given.get("name") or f"{meta['name']}-serve-svc"
        endpoints = self._api.get("endpoints", meta["namespace"], name) or {}
        number = sum(len(s.get("addresses") or ()) for s in endpoints.get("subsets") or ())
        status["observedGeneration"] = meta["generation"]
        status["numServeEndpoints"] = number
        known = {one["type"]: one for one in status.get("conditions") or ()}
        if number:
            told = ("True", "NonZeroServeEndpoints", "Number of serve endpoints is greater than 0")
        elif "Ready" in known and known["Ready"]["reason"] != "Initializing":
            told = ("False", "ZeroServeEndpoints", "Number of serve endpoints dropped to 0")
        else:
            told = ("False", "Initializing", "RayService is initializing")
        upgrading = bool(status.get("activeServiceStatus") and status.get("pendingServiceStatus"))
        progress = ("True", "BothActivePendingClustersExist", "Both clusters exist")
        quiet = ("False", "NoPendingCluster", "No pending Ray cluster")
        said = {"Ready": told, "UpgradeInProgress": progress if upgrading else quiet}
        status["conditions"] = [_condition(t, v, known.get(t), meta) for t, v in said.items()]
        status["serviceStatus"] = "Running" if number else ""

    def _clean_up(self, service: Raw, status: Raw) -> None:
        names = {
            (status.get(part) or {}).get("rayClusterName")
            for part in ("activeServiceStatus", "pendingServiceStatus")
        }
        meta = service["metadata"]
        selector = f"ray.io/originated-from-cr-name={meta['name']}"
        for cluster in self._api.listing("rayclusters", selector, meta["namespace"]):
            name = cluster["metadata"]["name"]
            if name in names:
                continue
            due = self._doomed.setdefault(name, time.monotonic() + self._delay)
            if time.monotonic() > due:
                print(f"RayCluster {name} goes", flush=True)
                self._api.delete("rayclusters", cluster)


def _part(cluster: Raw, applications: Raw) -> Raw:
    return {
        "rayClusterName": cluster["metadata"]["name"],
        "rayClusterStatus": cluster.get("status") or {},
        "applicationStatuses": applications,
    }


def _condition(kind: str, told: tuple[str, str, str], known: Raw | None, meta: Raw) -> Raw:
    status, reason, message = told
    since = known["lastTransitionTime"] if known and known["status"] == status else _now()
    words = {"type": kind, "status": status, "reason": reason, "message": message}
    return {**words, "lastTransitionTime": since, "observedGeneration": meta["generation"]}


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hash(service: Raw) -> str:
    spec = copy.deepcopy(service["spec"]["rayClusterConfig"])
    for group in spec.get("workerGroupSpecs") or ():
        for name in ("replicas", "minReplicas", "maxReplicas", "scaleStrategy"):
            group.pop(name, None)
    return hashlib.sha1(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def _healthy(ip: str | None, port: int) -> bool:
    if not ip:
        return False
    try:
        with urllib.request.urlopen(f"http://{ip}:{port}/-/healthz", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def _ask(url: str, token: str, body: object = None) -> Raw:
    headers = {"content-type": "application/json"}
    if token:
        headers["x-ray-authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "PUT"
    request = urllib.request.Request(url, method=method, data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as reply:
        text = reply.read()
    answer: Raw = json.loads(text) if text else {}
    return answer


def main() -> None:
    kuberay = KubeRay(KubeApi(Path(sys.argv[1])))
    while True:
        try:
            kuberay.once()
        except OSError:
            traceback.print_exc()
        time.sleep(2)  # KubeRay's own pace


if __name__ == "__main__":
    main()
