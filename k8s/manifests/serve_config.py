"""A plan as the configuration Ray Serve takes: one application for each served graph.

The same plan gives the same text. The number of replicas stands beside the plan, not in it, so
that Ray Serve changes it in place and restarts nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from umbel.graph import portable, serve_scaling
from umbel.graph.ir import Graph
from umbel.graph.options import Scale
from umbel.graph.plan import Deployment, Plan
from umbel.graph.steps import GraphName
from umbel.k8s.manifests.documents import as_yaml

BUILDER = "umbel.serving.declared_application:build"
"""What Ray Serve imports; `umbel.serving` has to be in the image."""

SERVICER = "umbel.serving.grpc_protocol.serve_methods.add_to_server"
"""What tells Ray Serve the methods of the Open Inference Protocol."""

INGRESS = "graph"
"""The deployment of every application that takes its requests."""


@dataclass(frozen=True)
class ServeOptions:
    """How applications are served."""

    namespace: str = ""
    """Kubernetes namespace, where one Ray cluster serves several: an application is then called
    ``NAMESPACE.NAME`` and answers below ``/NAMESPACE/NAME`` rather than ``/NAME``."""

    rooted: bool = False
    """The one application answers at ``/``: the paths of KServe, on a host of its own."""

    body_limit: int = 64 * 1024 * 1024
    """Bytes of the largest request body."""

    surge_percent: int = 25
    """How many replicas more than usual there may be while a change rolls, in percent, rounded
    up: a new replica answers before an old one goes. Kubernetes' own default."""

    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    """Ray's ``runtime_env`` of the applications."""


def application_name(name: str, options: ServeOptions = ServeOptions()) -> str:
    """What Ray Serve calls the application of the graph ``name``."""
    return f"{options.namespace}.{name}" if options.namespace else name


def route_prefix(name: str, options: ServeOptions = ServeOptions()) -> str:
    """The path below which the graph ``name`` answers."""
    if options.rooted:
        return "/"
    return f"/{options.namespace}/{name}" if options.namespace else f"/{name}"


def applications(plan: Plan, options: ServeOptions = ServeOptions()) -> list[dict[str, Any]]:
    """The entries of ``applications``, in the order in which the plan serves its graphs."""
    return [_application(plan, name, options) for name in plan.program.served]


def serve_config(
    plan: Plan, options: ServeOptions = ServeOptions(), *, port: int = 8000, grpc_port: int = 9000
) -> dict[str, Any]:
    """A whole configuration: what ``serve deploy`` and ``PUT /api/serve/applications/`` take.
    gRPC leads to the application that has a route: with several of them, callers have to name
    one in Ray's metadata key ``application``."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": port},  # noqa: S104 - a pod's, behind a Service
        "grpc_options": {"port": grpc_port, "grpc_servicer_functions": [SERVICER]},
        "logging_config": {"enable_access_log": False, "encoding": "JSON", "log_level": "INFO"},
        "applications": applications(plan, options),
    }


def config_text(config: Mapping[str, Any]) -> str:
    """The configuration as YAML, for ``serveConfigV2``: byte for byte the same each time."""
    return as_yaml([config]).removeprefix("---\n")


def _application(plan: Plan, name: GraphName, options: ServeOptions) -> dict[str, Any]:
    program = plan.program.only(name)
    apart = [one for one in plan.deployments if one.graph in program.graphs]
    part = Plan(
        dataclasses.replace(
            program, graphs={key: _unscaled(graph) for key, graph in program.graphs.items()}
        ),
        tuple(_unscaled_deployment(one) for one in apart),
    )
    args: dict[str, Any] = {"plan": portable.to_data(part), "body_limit": options.body_limit}
    mounted = route_prefix(name, options)
    if mounted != f"/{name}":
        args["mounted"] = mounted
    return {
        "name": application_name(name, options),
        "route_prefix": mounted,
        "import_path": BUILDER,
        **({"runtime_env": dict(options.runtime_env)} if options.runtime_env else {}),
        "args": args,
        "deployments": [
            {
                "name": deployment,
                **serve_scaling.replicas(count),
                "max_surge_percent": options.surge_percent,
            }
            for deployment, count in replica_counts(plan, name).items()
        ],
    }


def replica_counts(plan: Plan, name: GraphName) -> dict[str, Scale]:
    """Deployment → replicas, the one that takes requests first. A model in replicas of its own
    scales as its service asks to, unless the model asks for something else."""
    program = plan.program.only(name)
    asked = program.graphs[name].settings.get("scale")
    whole = asked if isinstance(asked, Scale) else Scale()
    counts = {INGRESS: whole}
    for one in plan.deployments:
        if one.graph in program.graphs:
            counts[one.name] = whole if one.scale == Scale() else one.scale
    return counts


def _unscaled(graph: Graph) -> Graph:
    settings = {key: value for key, value in graph.settings.items() if key != "scale"}
    nodes = {
        name: dataclasses.replace(node, options=dataclasses.replace(node.options, scale=None))
        for name, node in graph.nodes.items()
    }
    return dataclasses.replace(graph, settings=settings, nodes=nodes, example=None, doc="")


def _unscaled_deployment(deployment: Deployment) -> Deployment:
    options = dataclasses.replace(deployment.options, scale=None)
    return dataclasses.replace(deployment, scale=Scale(), options=options)
