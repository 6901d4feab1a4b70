"""What one resource comes to: applications, records, and its status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from umbel.k8s.operator.world import Key, Raw


@dataclass(frozen=True)
class Notice:
    """A Kubernetes event about a resource."""

    key: Key
    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Outcome:
    """``status`` None: nothing to say (the resource goes). ``held``: the finalizer belongs on
    it. ``serving``: the content that answers under its URL, for graphs that name it, None while
    nothing does; ``divided``: its traffic goes to more than one revision, or
    it serves several models."""

    key: Key
    raw: Raw
    applications: tuple[Mapping[str, Any], ...] = ()
    create: tuple[Raw, ...] = ()
    delete: tuple[Raw, ...] = ()
    status: Mapping[str, Any] | None = None
    held: bool = False
    notices: tuple[Notice, ...] = field(default=())
    serving: Raw | None = None
    divided: bool = False
