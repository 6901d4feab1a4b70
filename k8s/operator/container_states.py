"""How the containers of a component are, from its Deployment and its pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from umbel.k8s.operator.conditions import Condition
from umbel.k8s.operator.world import BROKEN, Raw, ServeApplication

if TYPE_CHECKING:
    from umbel.k8s.operator.pod_trouble import Trouble

REFUSED = "ObjectsRefused"


@dataclass(frozen=True)
class ContainerState:
    """``ready``: as many pods answer as are needed. ``failed``: waiting does not mend it.
    ``reason`` and ``message`` say why it is not ready."""

    ready: bool
    failed: bool = False
    reason: str = "Deploying"
    message: str = ""

    def condition(self, component: str) -> Condition:
        """The component's condition."""
        type_ = f"{component.title()}Ready"
        if self.ready:
            return Condition(type_, "True")
        return Condition(type_, "False" if self.failed else "Unknown", self.reason, self.message)


ABSENT = ContainerState(False, message="its Deployment is being made")


def state_of(deployment: Raw, trouble: Trouble | None) -> ContainerState:
    """What the Deployment's status says; ``trouble``: what its pods say."""
    status: Mapping[str, Any] = deployment.get("status") or {}
    conditions = {one.get("type"): one for one in status.get("conditions") or ()}
    seen = int(status.get("observedGeneration") or 0)
    current = seen >= int(deployment["metadata"].get("generation") or 0)
    if current and conditions.get("Available", {}).get("status") == "True":
        return ContainerState(True, reason="")
    wanted = (deployment.get("spec") or {}).get("replicas", 1)
    text = f"{int(status.get('availableReplicas') or 0)} of {wanted} pods are ready"
    if trouble is not None:
        return ContainerState(False, trouble.reason in BROKEN, trouble.reason, trouble.message)
    refused = conditions.get("ReplicaFailure", {})
    if refused.get("status") == "True":
        message = str(refused.get("message", "its pods cannot be made"))
        return ContainerState(False, True, str(refused.get("reason", "FailedCreate")), message)
    progress = conditions.get("Progressing", {})
    if progress.get("status") == "False":
        message = f"{text}: {progress.get('message', '')}".rstrip(": ")
        return ContainerState(False, True, str(progress.get("reason", "Failed")), message)
    return ContainerState(False, message=text)


def behind(
    app: ServeApplication | None, states: Mapping[str, ContainerState]
) -> ServeApplication | None:
    """The application as it is with its containers: it runs once all of them do."""
    late = {name: one for name, one in states.items() if not one.ready}
    if app is None or not late or not app.runs:
        return app
    name = next((name for name, one in late.items() if one.failed), next(iter(late)))
    worst = late[name]
    message = f"the {name}: {worst.message}"
    return replace(
        app,
        status="DEPLOY_FAILED" if worst.failed else "DEPLOYING",
        proven=False,
        message=message,
        reason=worst.reason,
    )
