"""``umbel check FILE…``: every finding at once."""

from __future__ import annotations

import argparse
from typing import Any

from umbel.cli import files
from umbel.cli.reporting import print_findings
from umbel.graph.findings import has_errors


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("check", help="all findings, each with file:line and a fix")
    verb.add_argument("files", nargs="+", metavar="FILE")
    verb.add_argument("--json", action="store_true", help="findings as JSON on stdout")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; 1 if one of them is an error."""
    loaded = files.load(arguments.files)
    print_findings(loaded.findings, as_json=arguments.json)
    failed = has_errors(loaded.findings)
    if not failed and not arguments.json:
        names = ", ".join(loaded.program.served)
        print(f"ok: {names}")
    return 1 if failed else 0
