"""Why pods do not come up: in Kubernetes' own words.

KubeRay tells that a Ray cluster is not ready, not that its image cannot be pulled or that no node
is large enough. The pods tell.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from umbel.k8s.operator import kinds
from umbel.k8s.operator.api_errors import Refused
from umbel.k8s.operator.cluster import Cluster
from umbel.k8s.operator.world import Raw

log = logging.getLogger("umbel.operator")

CLUSTER = "ray.io/cluster"
"""KubeRay's label of the pods of a Ray cluster."""

_SAME = {"ErrImagePull": "ImagePullBackOff"}
"""A kubelet says one and the other in turns: what changes all the time is written all the time."""

_STARTING = ("ContainerCreating", "PodInitializing", "")

_DENIED_S = 300.0
"""How long pods are not asked for again where that is refused."""


class Trouble(NamedTuple):
    """One word, and what to know."""

    reason: str
    message: str


class PodReader:
    """Asks the API server for the pods that have a label, as those of Ray clusters."""

    def __init__(self, cluster: Cluster, namespaces: tuple[str, ...], label: str) -> None:
        self._cluster, self._namespaces, self._label = cluster, namespaces, label
        self._after = 0.0

    async def troubles(self) -> Mapping[tuple[str, str], Trouble]:
        """By namespace and the label's value. Nothing, where the rights are those of an
        older installation."""
        if time.monotonic() < self._after:
            return {}
        try:
            pods = await self._cluster.listing(kinds.POD, self._namespaces, self._label)
        except Refused as error:
            log.warning("why pods do not start is not told: %s", error)
            self._after = time.monotonic() + _DENIED_S
            return {}
        return troubles(pods, self._label)


def troubles(pods: Iterable[Raw], label: str) -> dict[tuple[str, str], Trouble]:
    """For each value of a label, as each Ray cluster, by namespace and value, the first thing
    that holds its pods up."""
    found: dict[tuple[str, str], Trouble] = {}
    for pod in sorted(pods, key=lambda one: str(one["metadata"].get("name"))):
        metadata = pod["metadata"]
        cluster = (metadata.get("labels") or {}).get(label)
        if not cluster or metadata.get("deletionTimestamp"):
            continue
        for one in _of_pod(pod):
            found.setdefault((str(metadata.get("namespace", "")), str(cluster)), one)
    return found


def _of_pod(pod: Raw) -> Iterator[Trouble]:
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            reason, text = condition.get("reason") or "Unschedulable", condition.get("message", "")
            yield Trouble(str(reason), f"a pod finds no node: {text}")
    for key in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(key) or ():
            yield from _of_container(container)


def _of_container(container: Raw) -> Iterator[Trouble]:
    waiting: dict[str, Any] = (container.get("state") or {}).get("waiting") or {}
    reason = str(waiting.get("reason") or "")
    if reason in _STARTING:
        return
    reason = _SAME.get(reason, reason)
    last: dict[str, Any] = (container.get("lastState") or {}).get("terminated") or {}
    if reason == "ImagePullBackOff":
        text = f"the image {container.get('image', '')!r} cannot be pulled"
    else:
        said = last.get("message") or waiting.get("message") or ""
        code = f" (exit code {last['exitCode']})" if "exitCode" in last else ""
        text = f"the container {container.get('name', '')!r} does not run{code}: {said}"
    yield Trouble(reason, text.rstrip(": "))
