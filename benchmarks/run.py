"""Measures umbel and its peers, in turn, in one run: docs/benchmarks.md tells how.

.venv/bin/python benchmarks/run.py [--quick] [--only WORKLOAD …] [--peers SERVER …]
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from harness import machine, process_group, report, servers, workloads
from harness.session import QUICK, Course, Session, say

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def main() -> int:
    asked = _arguments()
    chosen = workloads.for_goals() if asked.goals else workloads.chosen(asked.only)
    if asked.list or not chosen:
        _list()
        return 0 if asked.list else 2
    os.chdir(HERE)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell says so
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are ended on the way out
    process_group.sweep_the_dead()
    subprocess.run([sys.executable, "prepare.py"], check=True)
    course = _course(asked)
    folder = RESULTS / f"{datetime.datetime.now():%Y-%m-%d-%H%M%S}{'-quick' * asked.quick}"
    session = Session(course, folder / "logs")
    try:
        for workload in chosen:
            say(f"{workload.name}: {workload.words}")
            session.run(workload, servers.chosen(workload, asked.peers, asked.skip))
    except KeyboardInterrupt:
        say("interrupted: writing what there is")
    finally:
        _write(session, course, folder, quick=asked.quick)
    return 1 if any(m.errors and m.loop != "open" for m in session.measurements) else 0


def _write(session: Session, course: Course, folder: Path, *, quick: bool) -> None:
    data = {
        "machine": machine.description(),
        "quick": quick,
        "course": dataclasses.asdict(course),
        "measurements": [m.as_data() for m in session.measurements],
        "starts": session.starts,
        "missing": session.missing,
    }
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "results.json"
    results.write_text(json.dumps(data, indent=1), encoding="utf-8")
    text = report.markdown(data)
    (folder / "summary.md").write_text(text, encoding="utf-8")
    if not quick:
        (RESULTS / "summary.md").write_text(text, encoding="utf-8")
    if servers.PEERS.joinpath("python").exists():
        command = [str(servers.PEERS / "python"), "-m", "harness.plots", str(results)]
        subprocess.run(command, check=False, cwd=HERE)
    print(text)
    say(f"written: {folder}")


def _course(asked: argparse.Namespace) -> Course:
    course = QUICK if asked.quick else Course()
    if asked.rounds:
        course = dataclasses.replace(course, rounds=asked.rounds)
    if asked.seconds:
        course = dataclasses.replace(course, window_s=asked.seconds)
    return course


def _list() -> None:
    for workload in workloads.WORKLOADS:
        print(f"{workload.name:<10} {workload.words}\n           {', '.join(workload.servers)}")
    for server in servers.SERVERS.values():
        print(f"{server.name:<20} {server.words}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="seconds only: a smoke test")
    parser.add_argument("--goals", action="store_true", help="only what a goal compares")
    parser.add_argument("--only", nargs="+", metavar="WORKLOAD", help="those with these beginnings")
    parser.add_argument(
        "--peers", nargs="+", metavar="SERVER", help="beside umbel's, those with these beginnings"
    )
    parser.add_argument(
        "--skip", nargs="+", default=[], metavar="SERVER", help="not those with these beginnings"
    )
    parser.add_argument("--rounds", type=int, help="how often each server is started and measured")
    parser.add_argument("--seconds", type=float, help="length of one window")
    parser.add_argument("--list", action="store_true", help="workloads and servers")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
