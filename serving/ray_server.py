"""``umbel run`` on embedded Ray."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from umbel.graph.errors import DeclarationError
from umbel.graph.plan import Plan
from umbel.graph.steps import GraphName
from umbel.serving.addresses import bracketed
from umbel.serving.embedded_ray import EmbeddedRay
from umbel.serving.grpc_protocol.settings import GrpcSettings
from umbel.serving.ray_settings import Counted, RaySettings
from umbel.serving.replica_states import StatesTold
from umbel.serving.supervised_run import RunScope

if TYPE_CHECKING:
    from umbel.serving.ray_grpc import RayFront


def serve_on_ray(
    plan: Plan,
    scope: RunScope,
    *,
    counted: Counted,
    version: str,
    body_limit: int,
    ready: Callable[[str], None],
    grpc: GrpcSettings | None = None,
    replicas: int | None = None,
) -> None:
    """Serve a plan until a stop is asked for. ``replicas`` of each graph that does not scale by
    itself; ``None`` leaves it to ``replicas_for``. ``ready`` gets each graph's URL once it answers,
    and then that of gRPC, which is one for all.

    Raises ``CheckFailed`` where this machine cannot give what the plan asks for, with nothing
    started; ``GraphNotStarted`` for the first graph that cannot start; nothing stays then.
    """
    settings = RaySettings(host=scope.host, port=scope.port, counted=counted)
    wanted = replicas or replicas_for(len(plan.program.served))
    ray = EmbeddedRay(settings, run_id=scope.run_id, folder=scope.folder)
    ray.before_start = lambda: _refuse_impossible(plan, settings, wanted)
    with contextlib.ExitStack() as afterwards, ray, StatesTold(scope.folder):
        deploy(plan, version=version, body_limit=body_limit, replicas=wanted)
        has_haproxy = os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") == "1"
        await_answers(plan, scope.host, scope.port, body_limit, directly=has_haproxy)
        for name in plan.program.served:
            ready(f"http://{bracketed(scope.host)}:{scope.port}/{name}")
        front = grpc_front(plan, (scope.host, scope.port), grpc, version)
        if front is None:
            scope.wait_for_stop()
            return
        ray.also_drains = front.end_calls
        afterwards.callback(front.close)
        if front.url is not None:
            ready(front.url)
        scope.wait_for_stop()
        front.begin_stop(settings.drain_s)


def _refuse_impossible(plan: Plan, settings: RaySettings, replicas: int) -> None:
    from umbel.serving import ray_machines

    machines = ray_machines.about_to_start(settings)
    for finding in ray_machines.refuse_impossible(plan, machines, replicas=replicas):
        sys.stderr.write(f"{finding}\n")


def replicas_for(graphs: int) -> int:
    """Replicas of one graph of ``graphs`` on this machine: one for every two cores, shared
    among the graphs, at most 8. A graph's replica keeps a core busy; the other half is for
    HAProxy, nodes apart and the clients next door."""
    return max(1, min(8, (os.cpu_count() or 1) // 2 // max(graphs, 1)))


def grpc_front(
    plan: Plan, http: tuple[str, int], grpc: GrpcSettings | None, version: str
) -> RayFront | None:
    """The gRPC front in this process, beside ``http``; ``None`` if nobody asked for it."""
    if grpc is None:
        return None
    from umbel.serving.ray_grpc import RayFront

    return RayFront(plan, grpc, host=http[0], http_port=http[1], version=version)


def readiness_path(plan: Plan, name: GraphName) -> str:
    """The path below a graph's root that tells whether it answers, without running it."""
    own = {"message": "/readyz", "http": "/components"}
    return own.get(plan.program.graphs[name].interface, "/v2/health/ready")


def deploy(plan: Plan, *, version: str, body_limit: int, replicas: int = 1) -> None:
    """Bring up all served graphs on the Ray that this process is connected to.

    Raises ``GraphNotStarted``.
    """
    from ray import serve

    from umbel.serving import node_environments, ray_model_states
    from umbel.serving.graph_host import GraphNotStarted
    from umbel.serving.ray_applications import application

    node_environments.build(plan)
    ray_model_states.forget(plan.program.graphs)
    targets: list[Any] = []
    for name in plan.program.served:
        built = application(plan, name, version=version, body_limit=body_limit, replicas=replicas)
        targets.append(serve.RunTarget(built, name=name, route_prefix=f"/{name}"))
    try:
        serve.run_many(targets, wait_for_ingress_deployment_creation=True)
    except RuntimeError as error:
        raise GraphNotStarted(_reason(plan, str(error))) from error


def _reason(plan: Plan, text: str) -> str:
    from ray import serve

    for name, app in serve.status().applications.items():
        if app.status in ("DEPLOY_FAILED", "UNHEALTHY") and name in plan.program.served:
            message = "; ".join(d.message for d in app.deployments.values() if d.message)
            return f"graph {name!r} cannot start: {last_error(message or app.message or text)}"
    return f"a graph cannot start: {last_error(text)}"


_TELLS = re.compile(r"Error: |cannot start|^umbel\.[\w.]+: ")


def last_error(text: str) -> str:
    """The line of a replica's traceback that says what happened."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLS.search(line)]
    line = telling[-1] if telling else (lines[-1] if lines else "no reason was given")
    return re.sub(r"^umbel\.[\w.]+: ", "", line)


_FALLBACK = "uvicorn"
"""What Ray Serve's own proxy calls itself. HAProxy hands requests to it until it knows a replica;
a replica that umbel's server answers for does not say who it is."""

_DIRECT_WITHIN_S = 5.0


def await_answers(
    plan: Plan, host: str, port: int, body_limit: int, *, directly: bool = False
) -> None:
    """Returns once every graph that was deployed answers, and ``/openai/v1`` where one of them
    has it. ``directly``: as ``await_answer``. Raises ``DeclarationError``."""
    from umbel.serving import cluster_openai  # after Ray has been set up

    for name in plan.program.served:
        path = f"/{name}{readiness_path(plan, name)}"
        await_answer(host, port, path, directly=directly)
    models = f"{cluster_openai.ROUTE}/v1/models"
    graphs = [plan.program.graphs[name] for name in plan.program.served]
    offering = (
        _answered(host, port, f"/{graph.name}{models}")[0] == 200
        for graph in graphs
        if graph.interface != "message"  # which takes every path as a request
    )
    if any(offering) and cluster_openai.bring_up(body_limit):
        await_answer(host, port, models, directly=directly)


def await_answer(
    host: str, port: int, path: str, patience_s: float = 120.0, *, directly: bool = False
) -> None:
    """Returns once ``path`` answers; ``directly``: from a replica, for which a short while more is
    given. Raises ``DeclarationError`` if nothing answers in time."""
    end, direct_until = time.monotonic() + patience_s, 0.0
    while (now := time.monotonic()) < end:
        status, server = _answered(host, port, path)
        if 0 < status < 500 and status != 404:
            direct_until = direct_until or now + _DIRECT_WITHIN_S
            if not directly or server != _FALLBACK or now > direct_until:
                return
        time.sleep(0.05)
    raise DeclarationError(f"nothing answers at http://{bracketed(host)}:{port}{path}")


def _answered(host: str, port: int, path: str) -> tuple[int, str]:
    """The status of a GET and who says to have answered; status 0 where nobody does."""
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=5)) as connection:
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            reply.read()
        except (OSError, http.client.HTTPException):
            return 0, ""
        return reply.status, reply.headers.get("server", "")
