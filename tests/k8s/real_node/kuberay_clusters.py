"""RayClusters: pods as many as each group asks for (``raycluster_controller.go``)."""

from __future__ import annotations

from typing import Any

from kuberay_pods import head_pod, worker_pod
from kuberay_services import beside
from object_api import KubeApi

Raw = dict[str, Any]


class RayClusters:
    """``reconcile`` one: it makes what is missing and removes what ended."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    def pods(self, cluster: Raw, kind: str) -> list[Raw]:
        """Its pods of a kind (``head``, ``worker``) that are not on their way out."""
        meta = cluster["metadata"]
        selector = f"ray.io/cluster={meta['name']},ray.io/node-type={kind}"
        found = self._api.listing("pods", selector, meta["namespace"])
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    def reconcile(self, cluster: Raw) -> None:
        beside(self._api, cluster)
        heads = [one for one in self.pods(cluster, "head") if not self._removed(one)]
        if not heads:
            self._make(head_pod(cluster))
        workers = [one for one in self.pods(cluster, "worker") if not self._removed(one)]
        for group in cluster["spec"].get("workerGroupSpecs") or ():
            self._group(cluster, group, workers)
        self._status(cluster, heads, workers)

    def _group(self, cluster: Raw, group: Raw, workers: list[Raw]) -> None:
        own = [p for p in workers if p["metadata"]["labels"]["ray.io/group"] == group["groupName"]]
        named = set((group.get("scaleStrategy") or {}).get("workersToDelete") or ())
        for pod in own:
            if pod["metadata"]["name"] in named:
                print(f"the autoscaler removes {pod['metadata']['name']}", flush=True)
                self._api.delete("pods", pod)
        kept = [one for one in own if one["metadata"]["name"] not in named]
        least, most = group.get("minReplicas") or 0, group.get("maxReplicas")
        wanted = max(group.get("replicas") or 0, least)
        wanted = min(wanted, most) if most is not None else wanted
        for _ in range(wanted - len(kept)):
            self._make(worker_pod(cluster, group))
        if not cluster["spec"].get("enableInTreeAutoscaling"):
            for pod in kept[wanted:]:  # with the autoscaler, only it says which one goes
                self._api.delete("pods", pod)

    def _make(self, pod: Raw) -> None:
        made = self._api.create("pods", pod)
        print(f"pod {made['metadata']['name']}", flush=True)

    def _removed(self, pod: Raw) -> bool:
        """True where the pod ended: it is deleted, and another takes its place."""
        status = pod.get("status") or {}
        over = status.get("phase") in ("Failed", "Succeeded")
        containers = status.get("containerStatuses") or ()
        name = pod["spec"]["containers"][0]["name"]
        ended = any(one["name"] == name and "terminated" in one["state"] for one in containers)
        if not over and not (ended and pod["spec"]["restartPolicy"] == "Never"):
            return False
        print(f"pod {pod['metadata']['name']} is over: {containers}", flush=True)
        self._api.delete("pods", pod)
        return True

    def _status(self, cluster: Raw, heads: list[Raw], workers: list[Raw]) -> None:
        ready = bool(heads) and is_ready(heads[0])
        available = sum(is_ready(one) for one in workers)
        groups = cluster["spec"].get("workerGroupSpecs") or ()
        ip = heads[0].get("status", {}).get("podIP", "") if heads else ""
        status = {
            "state": "ready" if ready and available == len(workers) else "",
            "desiredWorkerReplicas": sum(one.get("replicas") or 0 for one in groups),
            "minWorkerReplicas": sum(one.get("minReplicas") or 0 for one in groups),
            "maxWorkerReplicas": sum(one.get("maxReplicas") or 0 for one in groups),
            "availableWorkerReplicas": available,
            "readyWorkerReplicas": available,
            "head": {"podIP": ip, "podName": heads[0]["metadata"]["name"] if heads else ""},
            "observedGeneration": cluster["metadata"]["generation"],
        }
        if (cluster.get("status") or {}) != status:
            cluster["status"] = status
            self._api.replace("rayclusters", cluster, "/status")


def is_ready(pod: Raw) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
