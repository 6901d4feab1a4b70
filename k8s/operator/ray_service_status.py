"""What KubeRay reports of a RayService → the state of each of its applications.

KubeRay has two Ray clusters at times: the *active* one answers, the *pending* one is to take over
once all applications run there. It tells the applications' states of one only: of the pending
one, while there is one. So what answers meanwhile is read off the RayService itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from umbel.k8s.operator.world import Raw

_FAILED = ("DEPLOY_FAILED", "UNHEALTHY")
_OVER = ("ValidationFailed", "InitializingTimeout")
"""Reasons of KubeRay's, after which it does not try again."""


@dataclass(frozen=True)
class Reported:
    """The state of one application. ``message`` says why it is not up, if anybody knows;
    ``replaced``: it runs, and other pods are to take its place."""

    status: str = "NOT_STARTED"
    message: str = ""
    parts: tuple[str, ...] = ()
    """The messages of its deployments."""

    replaced: bool = False


def reported(raw: Raw, configs: Sequence[Raw]) -> dict[str, Reported]:
    """The state of each application of a RayService's configuration, by name."""
    answering = _answering(configs)
    return {str(one["name"]): _reported(raw, str(one["name"]), answering) for one in configs}


def _reported(raw: Raw, name: str, answering: Collection[str]) -> Reported:
    status = raw.get("status") or {}
    active = status.get("activeServiceStatus") or {}
    pending = status.get("pendingServiceStatus") or {}
    known, new = _state(active, name), _state(pending, name)
    if not pending.get("rayClusterName") and known is not None:
        return known
    failed = new is not None and new.status in _FAILED
    runs = known.status == "RUNNING" if known else _serves(status, active) and name in answering
    if runs:
        why = _first(new) if new is not None and failed else trouble(raw)
        return Reported("RUNNING", why, replaced=True)
    if new is None:
        over = _ready_of(status).get("reason") in _OVER
        return known or Reported("DEPLOY_FAILED" if over else "NOT_STARTED", trouble(raw))
    if failed:
        return new
    return Reported("DEPLOYING", new.message or trouble(raw), new.parts)


def cluster_of(raw: Raw) -> str:
    """The Ray cluster that is on its way up, or that answers; empty before there is one."""
    status = raw.get("status") or {}
    for which in ("pendingServiceStatus", "activeServiceStatus"):
        name = (status.get(which) or {}).get("rayClusterName")
        if name:
            return str(name)
    return ""


def trouble(raw: Raw) -> str:
    """What KubeRay says of the Ray cluster that does not come up; empty if nothing."""
    status = raw.get("status") or {}
    ready, texts = _ready_of(status), []
    if ready.get("reason") in _OVER:
        texts.append(f"KubeRay: {ready['reason']}: {ready.get('message', '')}".rstrip(": "))
    for which in ("pendingServiceStatus", "activeServiceStatus"):
        texts += _of_cluster((status.get(which) or {}).get("rayClusterStatus") or {})
    return texts[0] if texts else ""


def _of_cluster(cluster: Raw) -> Iterator[str]:
    if cluster.get("reason"):
        yield f"the Ray cluster: {cluster['reason']}"
    for one in cluster.get("conditions") or ():
        wrong = "True" if one.get("type") == "ReplicaFailure" else "False"
        if one.get("status") == wrong and one.get("message"):
            yield f"the Ray cluster: {one.get('reason', one.get('type'))}: {one['message']}"


def _state(cluster: Raw, name: str) -> Reported | None:
    found = (cluster.get("applicationStatuses") or {}).get(name)
    if not found:
        return None
    parts = (found.get("serveDeploymentStatuses") or {}).values()
    texts = tuple(str(part["message"]) for part in parts if part.get("message"))
    return Reported(str(found.get("status", "NOT_STARTED")), str(found.get("message") or ""), texts)


def _first(one: Reported) -> str:
    return next((text for text in (one.message, *one.parts) if text), "it fails to start")


def _ready_of(status: Raw) -> Raw:
    conditions = status.get("conditions") or ()
    return next((one for one in conditions if one.get("type") == "Ready"), {})


def _serves(status: Raw, active: Raw) -> bool:
    """True while the active cluster answers though nothing is told of its applications."""
    if not active.get("rayClusterName"):
        return False
    ready = _ready_of(status)
    if ready:
        return bool(ready.get("status") == "True")
    return int(status.get("numServeEndpoints") or 0) > 0


def _answering(configs: Iterable[Raw]) -> set[str]:
    """The applications that have the path, and those a front there divides requests among: a
    path is only ever given to what runs."""
    found: set[str] = set()
    for one in configs:
        if one.get("route_prefix"):
            found.add(str(one["name"]))
            found |= set((one.get("args") or {}).get("front", {}).get("shares", {}))
    return found
