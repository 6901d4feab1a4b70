"""``umbel down NAME…``: take graphs off a Ray cluster, and nothing else."""

from __future__ import annotations

import argparse
from typing import Any

from umbel.cli.clusters import add_address, cluster_of


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("down", help="take graphs off a Ray cluster")
    verb.add_argument("names", nargs="+", metavar="NAME")
    add_address(verb)
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Delete the applications; 1 if one is not there."""
    from umbel.serving.existing_ray import connected, take_down

    with connected(cluster_of(arguments)):
        take_down(arguments.names)
    print(f"down: {', '.join(arguments.names)}")
    return 0
