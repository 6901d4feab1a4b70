"""What the operator sees: the cluster's resources and Serve's applications, at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from umbel.nodes.storage.sealed_values import SealKeys

if TYPE_CHECKING:
    from umbel.k8s.operator.container_states import ContainerState

Raw = Mapping[str, Any]
"""A resource as the API server gives it."""


BROKEN = frozenset(
    {"ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CrashLoopBackOff"}
)
"""Reasons of pods that somebody has to do something about."""


class Key(NamedTuple):
    """Which resource. ``namespace`` is empty for cluster-wide kinds."""

    kind: str
    namespace: str
    name: str

    @staticmethod
    def of(raw: Raw) -> Key:
        """The key of a resource."""
        metadata = raw["metadata"]
        return Key(raw["kind"], metadata.get("namespace", ""), metadata["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Owner:
    """Which resource a Serve application belongs to, as its ``args`` say. ``role``: ``model``
    or ``front``; ``shares``: for a front, application → percent."""

    key: Key
    revision: str = ""
    role: str = "model"
    shares: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ServeApplication:
    """One of the operator's own applications as Serve reports it. ``config`` is what was
    deployed; ``replicas`` are those of its ingress that run."""

    name: str
    route: str | None
    status: str
    message: str
    config: Raw
    owner: Owner
    replicas: int = 0
    proven: bool = False
    """It has all its replicas, or was seen running: a change of its route alone makes Serve
    report DEPLOYING for a moment, in which it goes on answering."""

    reason: str = ""
    """Why it does not come up, in one word, where that is known."""

    replaced: bool = False
    """It runs, and the pods it runs in are being replaced by others."""

    @property
    def runs(self) -> bool:
        """True once every deployment is healthy."""
        return self.status == "RUNNING" or (self.status == "DEPLOYING" and self.proven)

    @property
    def broken(self) -> bool:
        """True where its pods do not start for a reason that no waiting mends."""
        return not self.runs and self.reason in BROKEN

    @property
    def failed(self) -> bool:
        """True where it will not come up by itself."""
        return self.status in ("DEPLOY_FAILED", "UNHEALTHY", "REFUSED")


@dataclass(frozen=True)
class World:
    """A snapshot. ``accounts`` and ``secrets`` hold only what resources of the same namespace
    refer to. ``settled``: for each route, the seconds its holder has had it. ``reachable`` is
    False while Serve's state cannot be read; ``now`` is RFC 3339. ``seal_keys`` seal what a Ray
    cluster's dashboard would show; None shows it."""

    services: tuple[Raw, ...] = ()
    graphs: tuple[Raw, ...] = ()
    runtimes: tuple[Raw, ...] = ()
    trained_models: tuple[Raw, ...] = ()
    revisions: tuple[Raw, ...] = ()
    config: Raw | None = None
    accounts: Mapping[tuple[str, str], Raw] = field(default_factory=dict)
    secrets: Mapping[tuple[str, str], Raw] = field(default_factory=dict)
    applications: Mapping[str, ServeApplication] = field(default_factory=dict)
    settled: Mapping[str, float] = field(default_factory=dict)
    reachable: bool = True
    now: str = "1970-01-01T00:00:00Z"
    seal_keys: SealKeys | None = None
    containers: Mapping[tuple[str, str], ContainerState] = field(default_factory=dict)
    """How the Deployments of components in containers are, by namespace and name."""

    def owned_by(self, key: Key) -> dict[str, ServeApplication]:
        """The applications of one resource, by name."""
        return {name: self.applications[name] for name in self._names_of.get(key, ())}

    def revisions_of(self, service: Raw) -> Sequence[Raw]:
        """The recorded revisions of one service."""
        return self._revisions_of.get(str(service["metadata"].get("uid")), ())

    def models_of(self, service: Key) -> Sequence[Raw]:
        """The TrainedModels that name one service, by name, but for those that go."""
        return self._models_of.get((service.namespace, service.name), ())

    def runtimes_near(self, namespace: str) -> list[Raw]:
        """The runtimes that resources of a namespace may use: its own and the cluster's."""
        near = ("", namespace)
        return [one for one in self.runtimes if one["metadata"].get("namespace", "") in near]

    def beside(self, namespace: str) -> list[Raw]:
        """What resources of a namespace refer to: accounts, secrets and runtimes."""
        named = (*self.accounts.items(), *self.secrets.items())
        own = [one for (where, _), one in named if where == namespace]
        return [*own, *self.runtimes_near(namespace)]

    # A pass asks for each resource in turn: each index is made once, not a walk a resource.

    @cached_property
    def _names_of(self) -> Mapping[Key, Sequence[str]]:
        return _grouped((app.owner.key, name) for name, app in self.applications.items())

    @cached_property
    def _revisions_of(self) -> Mapping[str, Sequence[Raw]]:
        return _grouped(
            (str(owner.get("uid")), raw)
            for raw in self.revisions
            for owner in raw["metadata"].get("ownerReferences") or ()
        )

    @cached_property
    def _models_of(self) -> Mapping[tuple[str, str], Sequence[Raw]]:
        ordered = sorted(self.trained_models, key=lambda raw: str(raw["metadata"]["name"]))
        return _grouped(
            ((str(raw["metadata"].get("namespace", "")), str(named)), raw)
            for raw in ordered
            if not is_going(raw)
            and (named := (raw.get("spec") or {}).get("inferenceService")) is not None
        )


_K = TypeVar("_K")
_V = TypeVar("_V")


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> dict[_K, list[_V]]:
    found: dict[_K, list[_V]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def noted(raw: Raw) -> Mapping[str, str]:
    """``metadata.annotations``."""
    found: Mapping[str, str] = raw["metadata"].get("annotations") or {}
    return found


def is_stopped(raw: Raw) -> bool:
    """True if the resource asks not to run."""
    return str(noted(raw).get("serving.kserve.io/stop", "")).lower() == "true"


def is_going(raw: Raw) -> bool:
    """True once the resource was deleted."""
    return bool(raw["metadata"].get("deletionTimestamp"))
