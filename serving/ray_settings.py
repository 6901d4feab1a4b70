"""What Ray, Ray Serve and HAProxy are told before they start.

Ray reads most of this from the environment when its modules are imported, so
`RaySettings.environment` has to be in ``os.environ`` before the first ``import ray``;
every process of the run inherits it from there.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

RUN_ID_VARIABLE = "UMBEL_RUN_ID"
"""Marks every process of a run: whoever carries it belongs to that run and ends with it."""

_FIRST_REPLICA_PORT = 20_000
_PORTS_PER_RUN = 200
_PORT_SLICES = 60  # up to 32,000: below the range the kernel takes client ports from


@dataclasses.dataclass(frozen=True)
class Counted:
    """What Ray takes a machine to have when it places actors; nothing of it is a limit."""

    cpus: int | None = None
    """None: twice the cores, at least 16, so that a graph of many light nodes is placed on a
    laptop."""

    gpus: int | None = None
    """None: those that Ray finds. More than there are is good for trying out where replicas go."""

    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Beside those that Ray finds, as the accelerator's type."""


@dataclasses.dataclass(frozen=True)
class RaySettings:
    """How an embedded Ray is started. Times are in seconds, sizes in bytes."""

    host: str = "127.0.0.1"
    """Address the HTTP frontend binds. Loopback: nothing is published unless a user asks for
    it. Replicas and Ray's own ports are on loopback whatever stands here."""

    port: int = 8000
    """Port of the HTTP frontend."""

    counted: Counted = Counted()
    """What Ray takes this machine to have."""

    object_store_bytes: int = 200_000_000
    """Shared memory for objects between replicas. Serve passes requests over gRPC; only large
    tensors between replicas land here. Ray's default is 30 % of the memory."""

    drain_s: float = 30.0
    """How long in-flight requests may take to end after a stop was asked for."""

    replica_drain_s: float = 1.0
    """How long a replica that is taken away stays reachable so that HAProxy forgets it first:
    HAProxy learns of it in about 0.6 s. Ray's default, 30, is made for load balancers outside."""

    retry_on: str = "conn-failure empty-response response-timeout junk-response"
    """When HAProxy sends a request to another replica. Inference is idempotent, so a replica
    that died without an answer is no reason to fail the request."""

    retries: int = 3
    """How often HAProxy tries again. A dead replica is marked down at its third failure."""

    haproxy_threads: int = 2
    """HAProxy is far from being the bottleneck; Ray's default of 4 only costs switches."""

    math_threads: int = 1
    """OMP, MKL and OpenBLAS threads in a replica. Replicas are how umbel uses more cores; a
    thread pool of its own in each makes them fight. A node may set its own number."""

    control_loop_s: float = 0.1
    """How often Serve's controller looks at its replicas: Ray's default. Longer lowers the idle
    load (0.03 of a core) and delays every deployment by as much."""

    def environment(self, *, run_id: str, temp_dir: Path, fallback_port: int) -> dict[str, str]:
        """The variables of one run. ``fallback_port`` must be free: Serve's own HTTP proxy
        takes it, which answers while a graph has no replica, and would share it with another
        run's proxy without an error (it binds with SO_REUSEPORT)."""
        first, last = replica_ports(self.port)
        return {
            RUN_ID_VARIABLE: run_id,
            **_ray_itself(),
            **_serve(self, fallback_port, first, last),
            **_haproxy(self, temp_dir / "h"),
            **dict.fromkeys(
                ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
                str(self.math_threads),
            ),
        }

    def logical_cpus(self) -> int:
        """The number of CPUs Ray is told."""
        asked = self.counted.cpus
        return asked if asked is not None else max(16, 2 * (os.cpu_count() or 1))


def replica_ports(port: int) -> tuple[int, int]:
    """First and last port the replicas of the run on ``port`` listen on.

    Runs beside one another get different ranges: a HAProxy that has not yet heard of a
    replica's death would otherwise send its requests to the other run's replica.
    """
    first = _FIRST_REPLICA_PORT + _PORTS_PER_RUN * (port % _PORT_SLICES)
    return first, first + _PORTS_PER_RUN - 1


def missing_from(environment: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The part of ``wanted`` a user has not set already: what a user sets, stays, except for
    what makes one run distinct from another."""
    own = ("UMBEL_", "RAY_AUTH_", "RAY_SERVE_HAPROXY_", "RAY_SERVE_FALLBACK", "RAY_SERVE_DIRECT")
    return {
        name: value
        for name, value in wanted.items()
        if name.startswith(own) or name not in environment
    }


def _ray_itself() -> dict[str, str]:
    return {
        # Ray takes the loopback address for the node's and binds all its ports to it.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # A secret of this run: other users of the machine reach loopback as well.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_enable_metrics_collection": "0",
        # Ray starts as many workers ahead as it may start at once: by default, one a core.
        "RAY_worker_maximum_startup_concurrency": str(min(8, max(2, os.cpu_count() or 2))),
        "RAY_LOG_TO_DRIVER": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }


def _serve(
    settings: RaySettings, fallback_port: int, first_port: int, last_port: int
) -> dict[str, str]:
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        # Between replicas. Ray's default of 4 MB refuses the tensors of a middling image batch.
        "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(2**31 - 1),
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": str(settings.control_loop_s),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_port),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first_port),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(last_port),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(settings.replica_drain_s),
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": str(settings.replica_drain_s),
    }


def _haproxy(settings: RaySettings, folder: Path) -> dict[str, str]:
    # One-letter file names: Ray puts 57 characters before them, HAProxy adds a suffix, and a
    # Unix socket's path ends at 107.
    return {
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "c"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "a"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "s"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "m"),
        # umbel counts requests itself, and the per-request log line is not free.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_NBTHREAD": str(settings.haproxy_threads),
        "RAY_SERVE_HAPROXY_RETRY_ON": settings.retry_on,
        "RAY_SERVE_HAPROXY_RETRIES": str(settings.retries),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(max(1, round(settings.drain_s))),
    }
