"""Graphs on a Ray cluster that runs already: its machines, pools and other applications.

Nothing of the cluster is changed but the applications named after the graphs. Ray Serve is
started where it does not run; where it does, its address and settings stay.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from umbel.graph.errors import DeclarationError, NotFound
from umbel.graph.plan import Plan
from umbel.serving.embedded_ray import RayUnavailable
from umbel.serving.grpc_protocol.settings import GrpcSettings
from umbel.serving.ray_server import await_answers, deploy, grpc_front


@dataclass(frozen=True)
class Cluster:
    """``address`` as ``ray.init`` takes it: ``auto``, or ``host:port`` of the head. ``host`` and
    ``port``: where Ray Serve listens if it is started now. ``may_grow``: the cluster adds
    machines, so that what is lacking now is no error."""

    address: str
    host: str = "127.0.0.1"
    port: int = 8000
    may_grow: bool = False


@contextlib.contextmanager
def connected(cluster: Cluster) -> Iterator[None]:
    """This process as a driver of the cluster. Raises ``RayUnavailable``."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.serve
    except ImportError as error:
        raise RayUnavailable(f"this needs Ray ({error}): pip install 'ray[serve]'") from error
    try:
        ray.init(
            address=cluster.address,
            namespace="umbel",
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise RayUnavailable(
            f"no Ray cluster answers at {cluster.address!r}: {error}. Start one with "
            "'ray start --head', or leave --address out for an embedded one"
        ) from error
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def bring_up(
    plan: Plan,
    cluster: Cluster,
    *,
    version: str,
    body_limit: int,
    replicas: int = 1,
    replace: bool = False,
    grpc: GrpcSettings | None = None,
) -> list[str]:
    """Deploy the graphs and return the URL of each, once it answers. ``replace``: graphs that
    are there already become these, request by request. ``grpc``: the cluster's own gRPC front
    is brought up, too, if it does not run yet; its URL comes last.

    Raises ``CheckFailed`` where the cluster cannot give what they ask for, ``DeclarationError``
    where a name is taken, both with nothing changed; ``GraphNotStarted``, with those that are
    new taken away again.
    """
    from ray import serve

    from umbel.serving import cluster_grpc, ray_machines

    there = serve.status().applications
    taken = [name for name in plan.program.served if name in there]
    if taken and not replace:
        raise DeclarationError(
            f"the cluster already has {', '.join(taken)}: 'umbel up' replaces it, 'umbel down "
            f"{' '.join(taken)}' takes it away"
        )
    found = ray_machines.refuse_impossible(
        plan, ray_machines.running(), replicas=replicas, may_grow=cluster.may_grow
    )
    for finding in found:
        sys.stderr.write(f"{finding}\n")
    bound, url = _started(cluster)
    new = [name for name in plan.program.served if name not in taken]
    try:
        deploy(plan, version=version, body_limit=body_limit, replicas=replicas)
        host, port = _split(url)
        await_answers(plan, host, port, body_limit)
        front = grpc and cluster_grpc.bring_up(grpc, host=bound, http_port=port, version=version)
    except BaseException:
        take_down([name for name in new if name in serve.status().applications])
        raise
    return [*(f"{url}/{name}" for name in plan.program.served), *([front] if front else [])]


def take_down(names: Sequence[str]) -> None:
    """Delete these applications; requests in flight end first. The last graphs take the
    fronts with them. Raises ``NotFound`` naming those that are not there, with nothing changed."""
    from ray import serve

    from umbel.serving import cluster_graphs, cluster_grpc, cluster_openai

    there = serve.status().applications
    unknown = [name for name in names if name not in there]
    if unknown:
        have = (
            ", ".join(sorted(there.keys() - {cluster_grpc.APPLICATION, cluster_openai.APPLICATION}))
            or "none"
        )
        raise NotFound(f"the cluster has no {', '.join(unknown)}; it has {have}")
    if not cluster_graphs.graphs_left(but=names):
        cluster_grpc.take_down()
        cluster_openai.take_down()
    for name in names:
        serve.delete(name)


def serve_until(
    plan: Plan,
    cluster: Cluster,
    wait: Callable[[], object],
    *,
    version: str,
    body_limit: int,
    ready: Callable[[str], None],
    grpc: GrpcSettings | None = None,
    replicas: int = 1,
) -> None:
    """As ``bring_up``, then ``wait``, then take down what came up, and nothing else."""
    with contextlib.ExitStack() as afterwards, connected(cluster):
        urls = bring_up(plan, cluster, version=version, body_limit=body_limit, replicas=replicas)
        try:
            for url in urls:
                ready(url)
            host, port = _split(urls[0])
            front = grpc_front(plan, (host, port), grpc, version)
            if front is not None:
                afterwards.callback(front.close)
                if front.url is not None:
                    ready(front.url)
            wait()
            if front is not None:
                front.begin_stop(grace_s=10)
                front.end_calls()
        finally:
            take_down(list(plan.program.served))


def _started(cluster: Cluster) -> tuple[str, str]:
    """The address that Ray Serve listens on, which is started if it does not run, and the URL
    at which it is reached from here."""
    from ray import serve
    from ray.serve import context

    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": cluster.host, "port": cluster.port},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    client: Any = context._get_global_client()
    url = str(client.root_url)
    return _split(url)[0], url.replace("//0.0.0.0:", "//127.0.0.1:")


def _split(url: str) -> tuple[str, int]:
    parts = urllib.parse.urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80
