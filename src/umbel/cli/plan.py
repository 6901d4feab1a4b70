"""``umbel plan FILE``: what would be deployed, and why."""

from __future__ import annotations

import argparse
import json
from typing import Any

from umbel.cli import files
from umbel.cli.pools import add_pools, pools_of
from umbel.cli.reporting import print_findings
from umbel.cli.services import add_services, services_of
from umbel.graph import passes
from umbel.graph.canonical import as_data
from umbel.graph.finding_codes import MODEL_MISSING
from umbel.graph.findings import has_errors
from umbel.graph.passes.place import amounts_in_words
from umbel.graph.plan import Plan
from umbel.graph.pool_checks import pool_findings
from umbel.graph.reservations import of_deployment, of_graph


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("plan", help="deployments, fusion with reasons, resources")
    verb.add_argument("files", nargs="+", metavar="FILE")
    verb.add_argument("--json", action="store_true")
    add_services(verb)
    add_pools(verb)
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the plan of all graphs."""
    loaded = files.load(arguments.files, services_of(arguments))
    print_findings(loaded.findings)
    pools = pools_of(arguments)
    plan = passes.plan(loaded.or_raise(besides=MODEL_MISSING).program, pools)
    found = pool_findings(plan, unknown="error" if arguments.pools else "warning")
    print_findings(found)
    if has_errors(found):
        return 1
    print(json.dumps(_as_data(plan), indent=2) if arguments.json else _as_text(plan))
    return 0


def _as_data(plan: Plan) -> dict[str, Any]:
    return {
        "graphs": list(plan.program.served),
        "deployments": as_data(plan.deployments),
        "decisions": as_data(plan.decisions),
    }


def _as_text(plan: Plan) -> str:
    lines: list[str] = []
    for name in plan.program.served:
        graph = plan.program.graphs[name]
        fused = [n for n in graph.nodes if plan.deployment_of(name, n) is None]
        own = of_graph(plan, name).resources
        reserved = f"; each reserves {amounts_in_words(own)}" if own.asked else ""
        inside = ", ".join(fused) or "nothing"
        lines.append(f"{name}: {inside} in the graph's own replicas{reserved}")
    for deployment in plan.deployments:
        scale = deployment.scale
        own = of_deployment(plan, deployment).resources
        reserved = f"; each reserves {amounts_in_words(own)}" if own.asked else ""
        lines.append(f"{deployment.name}: {scale.min} to {scale.ceiling} replicas{reserved}")
    lines += ["", "why:"]
    together: dict[tuple[str, str], list[str]] = {}
    for decision in plan.decisions:
        together.setdefault((decision.words, decision.by), []).append(decision.subject)
    lines += [f"  {', '.join(who)}: {words} [{by}]" for (words, by), who in together.items()]
    return "\n".join(lines)
