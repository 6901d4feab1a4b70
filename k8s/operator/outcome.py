"""What one resource comes to: applications, records, and its status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from umbel.k8s.operator.conditions import Condition
from umbel.k8s.operator.world import Key, Raw

UNSCHEDULABLE = "Unschedulable"
"""Nothing may ever be large enough for it; or a node comes in a moment."""


@dataclass(frozen=True)
class Notice:
    """A Kubernetes event about a resource."""

    key: Key
    reason: str
    message: str
    warning: bool = False


def readiness_notices(key: Key, ready: Condition, before: Raw) -> Iterator[Notice]:
    """KServe's two events, when a resource becomes ready and when it no longer is; and one with
    the reason, whenever there is another reason to do something."""
    old, why = before.get("status"), before.get("reason", "")
    kind, name = key.kind, key.name
    if ready.status == "True" and old != "True":
        yield Notice(key, f"{kind}Ready", f"{kind} [{name}] is Ready")
    if ready.status != "True" and old == "True":
        text = f"{kind} [{name}] is no longer Ready: {ready.message or 'a change is rolling out'}"
        yield Notice(key, f"{kind}NotReady", text, warning=True)
    telling = ready.status == "False" or ready.reason == UNSCHEDULABLE
    if telling and ready.reason != "Stopped" and (ready.status != old or ready.reason != why):
        yield Notice(key, ready.reason or "NotReady", ready.message, warning=True)


@dataclass(frozen=True)
class Outcome:
    """``status`` None: nothing to say (the resource goes). ``held``: the finalizer belongs on
    it. ``serving``: the content that answers under its URL, for graphs that name it, None while
    nothing does; ``unsettled``: something is on its way up; ``divided``: its traffic goes to
    more than one revision, or it serves several models."""

    key: Key
    raw: Raw
    applications: tuple[Mapping[str, Any], ...] = ()
    create: tuple[Raw, ...] = ()
    delete: tuple[Raw, ...] = ()
    status: Mapping[str, Any] | None = None
    held: bool = False
    notices: tuple[Notice, ...] = field(default=())
    serving: Raw | None = None
    unsettled: bool = False
    divided: bool = False
    containers: tuple[Raw, ...] = ()
    """The objects of components that run in containers."""

    containers_called: frozenset[str] = frozenset()
    """Deployments that something still calls though they are not wanted any more."""
