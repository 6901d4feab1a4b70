"""``umbel up FILE…``: graphs on a Ray cluster that runs already; they stay when this ends."""

from __future__ import annotations

import argparse
from typing import Any

import umbel
from umbel.cli import files
from umbel.cli.clusters import add_address, add_growing, cluster_of
from umbel.cli.grpc_options import add_grpc, grpc_of
from umbel.cli.pools import add_pools, pools_of
from umbel.cli.reporting import print_findings
from umbel.cli.services import add_services, services_of
from umbel.graph import passes

MIB = 1024 * 1024


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("up", help="serve graphs on a Ray cluster that runs already")
    verb.add_argument("files", nargs="+", metavar="FILE")
    add_address(verb)
    verb.add_argument("--host", default="127.0.0.1", help="where Ray Serve listens if it starts")
    verb.add_argument("--port", type=int, default=8000, help="its port if it starts")
    verb.add_argument("--replicas", type=int, default=1, help="of each graph")
    verb.add_argument("--max-body-mb", type=float, default=64.0, help="largest body, in MiB")
    add_grpc(verb)
    add_services(verb)
    add_pools(verb)
    add_growing(verb)
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, plan, deploy, print ``ready <url>`` for each graph and for gRPC, and leave."""
    from umbel.serving.existing_ray import bring_up, connected

    loaded = files.load(arguments.files, services_of(arguments)).or_raise()
    print_findings(loaded.findings)
    plan = passes.plan(loaded.program, pools_of(arguments))
    cluster = cluster_of(arguments)
    with connected(cluster):
        urls = bring_up(
            plan,
            cluster,
            version=umbel.__version__,
            body_limit=int(arguments.max_body_mb * MIB),
            replicas=arguments.replicas,
            replace=True,
            grpc=grpc_of(arguments),
        )
    for url in urls:
        print(f"ready {url}", flush=True)
    return 0
