"""When an application that did not start is tried again.

Serve gives up on one: a model that came late or a storage that was away for a moment would never
be noticed, where a pod would have been started again. It is taken away and deployed anew, ever
more rarely.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from umbel.k8s.operator.world import ServeApplication

FIRST_S, LONGEST_S = 60.0, 600.0
"""How long it stays failed, the first time and at most."""


class SecondTries:
    """Remembers, by this process's clock, since when each application has failed and how often
    it was tried again. Nothing is lost with that: it is tried again a little sooner."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._tries: dict[str, int] = {}

    def due(self, wanted: Iterable[str], observed: Mapping[str, ServeApplication]) -> set[str]:
        """Those of the wanted applications that are to be tried again now."""
        now, names = self._clock(), set(wanted)
        up = {name for name, app in observed.items() if app.runs}
        self._tries = {n: count for n, count in self._tries.items() if n in names - up}
        failed = {n for n in names & observed.keys() if observed[n].status == "DEPLOY_FAILED"}
        self._since = {name: self._since.get(name, now) for name in failed}
        found = {name for name in failed if now - self._since[name] >= self._patience(name)}
        for name in found:
            self._tries[name] = self._tries.get(name, 0) + 1
        return found

    def _patience(self, name: str) -> float:
        return min(LONGEST_S, FIRST_S * 2.0 ** min(self._tries.get(name, 0), 16))
