"""The application builder that Ray Serve imports when it is told a plan as data.

A Serve config names it (``import_path: umbel.serving.declared_application:build``), in
KubeRay's ``serveConfigV2`` and in the REST API alike. Its ``args`` are what
`umbel.k8s.manifests` writes: the plan of one graph as plain data, and how it is served.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

from umbel.graph import portable
from umbel.graph.errors import DeclarationError
from umbel.serving.http_app import DEFAULT_BODY_LIMIT
from umbel.serving.ray_applications import application

KNOWN = ("plan", "body_limit", "mounted")


def build(args: dict[str, Any]) -> Any:
    """The application of the one graph that ``args["plan"]`` serves.

    ``body_limit``: bytes of the largest body. ``mounted``: the path below which the graph
    answers, where that is not ``/NAME``.
    Raises ``DeclarationError`` where ``args`` are not what this release understands.
    """
    unknown = args.keys() - set(KNOWN)
    if unknown or "plan" not in args:
        raise DeclarationError(
            f"args must hold plan and may hold {', '.join(KNOWN[1:])}; got {', '.join(args)}: "
            "is the image's release older than the operator's?"
        )
    plan = portable.from_data(args["plan"])
    if len(plan.program.served) != 1:
        names = ", ".join(plan.program.served) or "none"
        raise DeclarationError(f"an application serves one graph; the plan serves {names}")
    return application(
        plan,
        plan.program.served[0],
        version=importlib.metadata.version("umbel"),
        body_limit=int(args.get("body_limit", DEFAULT_BODY_LIMIT)),
        replicas=1,
        mounted=str(args.get("mounted", "")),
    )
