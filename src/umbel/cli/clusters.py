"""``--address`` and what goes with it, for the verbs that reach a Ray cluster."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from umbel.serving.existing_ray import Cluster


def add_address(verb: Any, *, default: str | None = "auto") -> None:
    """Declare ``--address``."""
    verb.add_argument(
        "--address",
        default=default,
        metavar="HOST:PORT",
        help="a Ray cluster that runs already, by its head; auto: the one of this machine",
    )


def add_growing(verb: Any) -> None:
    """Declare ``--may-grow``."""
    verb.add_argument(
        "--may-grow",
        action="store_true",
        help="the cluster adds machines: what it lacks now is no error",
    )


def cluster_of(arguments: argparse.Namespace) -> Cluster:
    """The cluster that the command line names."""
    from umbel.serving.existing_ray import Cluster

    host, port = getattr(arguments, "host", "127.0.0.1"), getattr(arguments, "port", 8000)
    return Cluster(arguments.address, host, port, getattr(arguments, "may_grow", False))
