"""``umbel plan FILE``: what would be deployed, and why."""

from __future__ import annotations

import argparse
import json
from typing import Any

from umbel.cli import files
from umbel.graph import passes
from umbel.graph.canonical import as_data
from umbel.graph.plan import Plan


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("plan", help="deployments, fusion with reasons, resources")
    verb.add_argument("files", nargs="+", metavar="FILE")
    verb.add_argument("--json", action="store_true")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the plan of all graphs."""
    plan = passes.plan(files.load(arguments.files).or_raise().program)
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
        lines.append(f"{name}: {', '.join(fused) or 'nothing'} in the graph's own replicas")
    for deployment in plan.deployments:
        scale = deployment.scale
        lines.append(f"{deployment.name}: {scale.min} to {scale.ceiling} replicas")
    lines += ["", "why:"]
    lines += [f"  {d.subject}: {d.words} [{d.by}]" for d in plan.decisions]
    return "\n".join(lines)
