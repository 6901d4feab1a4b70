"""What a user may ask of a node beyond its code: resources, batching, scaling, caching.

One frozen class per aspect. Every default is the choice that costs nothing: a node without
options runs in the graph's own replicas, unbatched, uncached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from umbel.graph.placement import Placement


@dataclass(frozen=True)
class Batch:
    """Dynamic batching: requests that wait when the node becomes free run together.

    ``max_size`` counts rows, not requests. ``max_wait_ms`` is how long a lone request waits
    for company; 0 adds no latency, a batch is then whatever is waiting already.
    """

    max_size: int = 32
    max_wait_ms: float = 0.0


@dataclass(frozen=True)
class Scale:
    """Replicas of the node's own. ``target`` is the load per replica in units of ``metric``.

    ``concurrency``: requests in flight; ``rps``: requests per second; ``cpu`` and ``memory``:
    percent. ``min=0`` lets the last replica go when idle; the next request waits for a start.
    ``max=None`` means the same as ``min`` (or 1).
    """

    min: int = 1
    max: int | None = None
    target: float | None = None
    metric: Literal["concurrency", "rps", "cpu", "memory"] = "concurrency"

    @property
    def ceiling(self) -> int:
        """The largest number of replicas."""
        return self.max if self.max is not None else max(self.min, 1)


@dataclass(frozen=True)
class Cache:
    """Answers kept for equal typed inputs. ``ttl_s``: seconds an answer stays valid;
    ``max_items``: answers kept per replica, least recently used go first; ``redis``: URL of a
    Redis that replicas and services share, ``None`` for memory only."""

    ttl_s: float = 300.0
    max_items: int = 1024
    redis: str | None = None


@dataclass(frozen=True)
class Resources:
    """What one replica reserves. ``memory``: bytes. ``gpus`` may be a fraction.

    ``cpus=None`` means the node asked for none of its own and may share a replica.
    """

    cpus: float | None = None
    gpus: float = 0.0
    memory: int = 0
    accelerator: str | None = None
    custom: Mapping[str, float] = field(default_factory=dict)

    @property
    def asked(self) -> bool:
        """True if the node asked for anything, so that it needs a replica of its own."""
        return bool(self.cpus or self.gpus or self.memory or self.accelerator or self.custom)

    def __add__(self, other: Resources) -> Resources:
        """What one replica reserves that runs both."""
        cpus = [one.cpus for one in (self, other) if one.cpus is not None]
        custom = dict(self.custom)
        for name, amount in other.custom.items():
            custom[name] = custom.get(name, 0) + amount
        return Resources(
            sum(cpus) if cpus else None,
            round(self.gpus + other.gpus, 4),
            self.memory + other.memory,
            self.accelerator or other.accelerator,
            custom,
        )


@dataclass(frozen=True)
class Retry:
    """Further attempts of a call that got no answer, or an answer with one of ``statuses``.

    ``attempts`` counts the first one too. The pause before the n-th further attempt is
    ``backoff_ms * 2 ** (n - 1)``, at most ``MAX_BACKOFF_MS``, of which a random part of up to
    one half is taken off, so that callers that failed together do not come back together.
    """

    attempts: int = 3
    backoff_ms: float = 100.0
    statuses: tuple[int, ...] = (502, 503, 504)


MAX_BACKOFF_MS = 10_000.0
"""The longest pause between two attempts."""

Fuse = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class NodeOptions:
    """All options of one node. ``timeout_s``: seconds one call may take, ``None`` for the
    request's own deadline; with retries it holds for each attempt. ``retries``: further
    attempts when a call got no answer, or a ``Retry`` that says more.
    ``env``: a Ray ``runtime_env`` for a replica of the node's own. ``placement``: where it runs.
    ``deterministic``: equal inputs give equal outputs, so that two equal calls in one request
    may be one call."""

    resources: Resources = Resources()
    placement: Placement = field(default_factory=Placement)
    batch: Batch | None = None
    scale: Scale | None = None
    cache: Cache | None = None
    fuse: Fuse = "auto"
    timeout_s: float | None = None
    retries: int | Retry = 0
    max_concurrency: int | None = None
    env: Mapping[str, object] | None = None
    deterministic: bool = True

    @property
    def retry(self) -> Retry | None:
        """How calls are repeated, ``None`` for not at all."""
        if isinstance(self.retries, Retry):
            return self.retries if self.retries.attempts > 1 else None
        return Retry(self.retries + 1) if self.retries > 0 else None
