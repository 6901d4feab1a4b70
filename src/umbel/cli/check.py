"""``umbel check FILE…``: every finding at once."""

from __future__ import annotations

import argparse
from typing import Any

from umbel.cli import files
from umbel.cli.pools import add_pools, pools_of
from umbel.cli.reporting import print_findings
from umbel.cli.services import add_services, services_of
from umbel.graph import passes
from umbel.graph.findings import has_errors
from umbel.graph.pool_checks import pool_findings


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("check", help="all findings, each with file:line and a fix")
    verb.add_argument("files", nargs="+", metavar="FILE")
    verb.add_argument("--json", action="store_true", help="findings as JSON on stdout")
    add_pools(verb)
    add_services(verb)
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; 1 if one of them is an error."""
    loaded = files.load(arguments.files, services_of(arguments))
    found = loaded.findings
    pools = pools_of(arguments)
    if not has_errors(found):
        plan = passes.plan(loaded.program, pools)
        found += tuple(pool_findings(plan, unknown="error" if arguments.pools else "warning"))
    print_findings(found, as_json=arguments.json)
    failed = has_errors(found)
    if not failed and not arguments.json:
        names = ", ".join(loaded.program.served)
        print(f"ok: {names or 'nothing to serve in these files'}")
    return 1 if failed else 0
