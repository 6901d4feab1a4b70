"""One window of load on one server, and what it says."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil

from harness.load import Tally
from harness.server_process import ServerProcess


@dataclasses.dataclass(frozen=True)
class Measurement:
    """``loop``: closed, open or steady; ``level``: clients, or requests a second offered.

    Latencies in milliseconds. ``disturbed``: share of the machine that neither the server nor
    the load generator used but somebody did: above 0.05 the figures are not worth much.
    ``generator``: share of one core that the load generator used. ``complaint``: the first
    answer that was wrong or an error.
    """

    workload: str
    server: str
    round: int
    loop: str
    level: float
    seconds: float
    rps: float
    p50: float
    p95: float
    p99: float
    mean: float
    longest: float
    answered: int
    failed: int
    wrong: int
    unanswered: int
    overrun: bool
    cpu_s: float
    cpu_ms_per_request: float
    pss_mb: float
    processes: int
    generator: float
    disturbed: float
    complaint: str

    @property
    def errors(self) -> int:
        """Requests without the right answer."""
        return self.failed + self.wrong + self.unanswered

    @property
    def kept_up(self) -> bool:
        """In the open loop: the server answered what was offered, in bearable time."""
        return not self.overrun and not self.unanswered and self.p99 < 1000

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def measure(process: ServerProcess, window: Callable[[], Tally], **which: Any) -> Measurement:
    """Run one window. ``which``: workload, server, round, loop and level."""
    before, machine, own = process.usage(memory=False), _busy_s(), time.process_time()
    started = time.perf_counter()
    tally = window()
    took = time.perf_counter() - started
    own = time.process_time() - own
    machine = _busy_s() - machine
    after = process.usage(memory=False)
    memory = process.usage()
    cpu = max(0.0, after.cpu_s - before.cpu_s)
    cores = psutil.cpu_count() or 1
    values = np.asarray(tally.latencies) * 1000 if tally.latencies else np.array([np.nan])
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    return Measurement(
        **which,
        seconds=round(tally.seconds, 3),
        rps=_round(tally.answered / tally.seconds),
        p50=_round(p50),
        p95=_round(p95),
        p99=_round(p99),
        mean=_round(values.mean()),
        longest=_round(values.max()),
        answered=tally.answered,
        failed=tally.failed,
        wrong=tally.wrong,
        unanswered=tally.unanswered,
        overrun=tally.overrun,
        cpu_s=_round(cpu),
        cpu_ms_per_request=_round(1000 * cpu / max(1, tally.answered + tally.late)),
        pss_mb=_round(memory.pss_mb),
        processes=memory.processes,
        generator=_round(own / took),
        disturbed=_round(max(0.0, machine - cpu - own) / (took * cores)),
        complaint=tally.complaint,
    )


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - times.guest)


def _round(value: float) -> float:
    """Four digits that mean something; NaN becomes 0."""
    return 0.0 if np.isnan(value) else float(f"{value:.4g}")
