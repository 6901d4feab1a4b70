"""The course of a run: every workload, every server in turn, as many rounds as asked for."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from harness import load, process_group
from harness.exchange import Exchange, exchanges
from harness.measurement import Measurement, measure
from harness.server_process import ServerFailed, ServerProcess, free_port
from harness.servers import NotThere, Server
from harness.workloads import Workload


@dataclasses.dataclass(frozen=True)
class Course:
    """How long and how often. Times in seconds."""

    rounds: int = 2
    window_s: float = 6.0
    warm_up_s: float = 2.0
    steady_s: float = 60.0
    shares: tuple[float, ...] = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85)
    """Rates of the open loop, as shares of what the hand-written process did with 8 clients in
    the same run (without it: of what the server itself did)."""

    start_limit_s: float = 180.0
    wait_for_ray_s: float = 600.0


QUICK = Course(1, 0.6, 0.4, 1.5, (0.2,), 180.0, 900.0)
"""A smoke test: it shows that everything starts and agrees. Its figures mean nothing."""


class Session:
    """Runs a course. ``logs``: a folder for what the servers print."""

    def __init__(self, course: Course, logs: Path) -> None:
        self._course, self._logs = course, logs
        self._capacity: dict[str, float] = {}
        self.measurements: list[Measurement] = []
        self.starts: list[dict[str, object]] = []
        self.missing: list[dict[str, str]] = []

    def run(self, workload: Workload, chosen: list[Server]) -> None:
        """All rounds of one workload. Odd rounds run backwards: a machine that gets slower
        while it runs favours nobody."""
        for number in range(self._course.rounds):
            order = chosen if number % 2 == 0 else chosen[::-1]
            for server in order:
                try:
                    self._serve(workload, server, number)
                except (NotThere, ServerFailed, OSError) as error:
                    say(f"  {server.name}: {error}")
                    self.missing.append(
                        {"workload": workload.name, "server": server.name, "why": str(error)}
                    )

    def _serve(self, workload: Workload, server: Server, number: int) -> None:
        port = free_port()
        start = server.start(workload, port)
        if server.ray:
            self._wait_for_ray()
        asked = exchanges(workload.pipeline, start.path)
        log = self._logs / f"{workload.name}-{server.name}-{number}.log"
        with ServerProcess(start.command, start.whole_environment(), log) as process:
            took = process.wait_until(
                lambda: load.complaint(port, asked[0]), self._course.start_limit_s
            )
            for exchange in asked:
                if wrong := load.complaint(port, exchange):
                    raise process.failure(f"gives a wrong answer: {wrong}")
            load.closed_loop(port, asked, 4, self._course.warm_up_s)
            idle = process.usage()
            self.starts.append(
                {
                    "workload": workload.name,
                    "server": server.name,
                    "round": number,
                    "seconds_to_first_answer": round(took, 2),
                    "pss_mb": round(idle.pss_mb, 1),
                    "processes": idle.processes,
                }
            )
            for measured in self._windows(workload, server, number, process, port, asked):
                self.measurements.append(measured)
                say(f"  {_line(measured)}")

    def _windows(
        self,
        workload: Workload,
        server: Server,
        number: int,
        process: ServerProcess,
        port: int,
        asked: tuple[Exchange, ...],
    ) -> Iterator[Measurement]:
        course = self._course
        which = {"workload": workload.name, "server": server.name, "round": number}
        for clients in workload.clients:
            yield measure(
                process,
                lambda c=clients: load.closed_loop(port, asked, c, course.window_s),  # type: ignore[misc]
                **which, loop="closed", level=clients,
            )  # fmt: skip
        if workload.open_loop:
            for rate in self._rates(workload, server):
                measured = measure(
                    process,
                    lambda r=rate: load.open_loop(port, asked, r, course.window_s, seed=number),  # type: ignore[misc]
                    **which, loop="open", level=rate,
                )  # fmt: skip
                yield measured
                if not measured.kept_up:
                    break
        if workload.steady and number == 0:
            yield measure(
                process,
                lambda: load.closed_loop(port, asked, 1, course.steady_s),
                **which, loop="steady", level=1,
            )  # fmt: skip

    def _rates(self, workload: Workload, server: Server) -> list[float]:
        own = [
            m.rps
            for m in self.measurements
            if (m.workload, m.server, m.loop, m.level) == (workload.name, server.name, "closed", 8)
        ]
        if server.name == "hand-written" or workload.name not in self._capacity:
            self._capacity.setdefault(workload.name, own[-1] if own else 100.0)
        capacity = self._capacity[workload.name]
        return [max(1.0, round(share * capacity, 1)) for share in self._course.shares]

    def _wait_for_ray(self) -> None:
        """Another Ray on the machine disturbs both, so this one waits. Raises NotThere."""
        end = time.monotonic() + self._course.wait_for_ray_s
        told = False
        while others := process_group.foreign_raylets():
            if time.monotonic() > end:
                raise NotThere(f"another Ray runs on this machine (process {others[0]})")
            if not told:
                say(f"  waiting: another Ray runs on this machine (process {others[0]})")
                told = True
            time.sleep(2)


def _line(m: Measurement) -> str:
    level = f"{m.loop} {m.level:g}"
    errors = f"  ERRORS {m.errors}" if m.errors else ""
    return (
        f"{m.server:<20} {level:<12} {m.rps:>8.4g} rps  p50 {m.p50:>7.3g}  p99 {m.p99:>7.3g} ms"
        f"  cpu {m.cpu_ms_per_request:>6.3g} ms  {m.pss_mb:>6.0f} MiB{errors}"
    )


def say(text: str) -> None:
    """A line for who watches."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
