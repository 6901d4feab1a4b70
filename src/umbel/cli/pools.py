"""``--pools FILE``: the machines that graphs may name, for the verbs that plan."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from umbel.graph.placement import Pool
from umbel.graph.pools_file import read_pools


def add_pools(verb: Any) -> None:
    """Declare the option."""
    verb.add_argument("--pools", metavar="FILE", help="what each pool of machines is, in YAML")


def pools_of(arguments: argparse.Namespace) -> Mapping[str, Pool]:
    """The pools of the file, none without one. Raises what ``read_pools`` raises."""
    return read_pools(arguments.pools) if arguments.pools else {}
