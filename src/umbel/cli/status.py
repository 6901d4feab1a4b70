"""``umbel status``: wanted and ready replicas of what runs on this machine."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from umbel.graph.errors import UmbelError
from umbel.serving import port_claim, replica_states
from umbel.serving.replica_states import ReplicaState


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("status", help="wanted and ready replicas of what runs")
    verb.add_argument("--port", type=int, default=None, help="of one run; default: all runs")
    verb.add_argument("--json", action="store_true", help="one JSON object a line")
    verb.add_argument("--watch", type=float, metavar="SECONDS", help="again and again")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the runs' replicas. 1 where no run was found, or one does not answer."""
    while True:
        code = _once(arguments)
        if arguments.watch is None:
            return code
        sys.stdout.flush()
        time.sleep(max(0.05, arguments.watch))


def _once(arguments: argparse.Namespace) -> int:
    runs = [found for found in port_claim.running() if arguments.port in (None, found[0])]
    if not runs:
        where = "" if arguments.port is None else f" on port {arguments.port}"
        print(f"no umbel run{where} on Ray; `umbel run FILE` starts one", file=sys.stderr)
        return 1
    code = 0
    for port, record in runs:
        try:
            states = replica_states.ask(Path(record.folder))
        except UmbelError as error:
            print(f"port {port} (pid {record.pid}): {error}", file=sys.stderr)
            code = 1
            continue
        if arguments.json:
            for state in states:
                print(json.dumps({"time": time.time(), "port": port, **asdict(state)}))
        else:
            print(f"port {port} (pid {record.pid})")
            _print_table(states)
    return code


def _print_table(states: list[ReplicaState]) -> None:
    rows = [("GRAPH", "DEPLOYMENT", "WANTED", "READY", "STATUS")]
    for state in states:
        moving = f" (+{state.starting} starting)" if state.starting else ""
        moving += f" ({state.stopping} stopping)" if state.stopping else ""
        ready = f"{state.ready}{moving}"
        rows.append((state.graph, state.deployment, str(state.wanted), ready, state.status))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  " + "  ".join(cells).rstrip())
    for state in states:
        if state.message and state.status != "HEALTHY":
            print(f"  {state.graph}/{state.deployment}: {state.message.strip().splitlines()[-1]}")
