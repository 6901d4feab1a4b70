"""The loop: woken by a change or by time, it reads the world and makes it what it ought to be."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from umbel.graph.errors import UmbelError
from umbel.k8s.operator.desired import desired
from umbel.k8s.operator.executor import Executor
from umbel.k8s.operator.lease import RENEW_S, Leadership
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.snapshot import Observer

log = logging.getLogger("umbel.operator")

DEBOUNCE_S = 0.1
"""Changes come in bursts; one pass handles all of them."""

_LONGEST_WAIT_S = 10.0

_ASK_S = 1.0
"""How often who does not lead looks whether the Lease is free."""


class ReconcileLoop:
    """Passes, one at a time. ``wake`` asks for one."""

    def __init__(
        self,
        observer: Observer,
        executor: Executor,
        leadership: Leadership,
        settings: OperatorSettings,
    ) -> None:
        self._observer, self._executor = observer, executor
        self._leadership, self._settings = leadership, settings
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something changed."""
        self._woken.set()

    async def run(self) -> None:
        """For ever. Errors of the API server and of Ray are told and tried again."""
        leading = asyncio.create_task(self._lead(), name="lease")
        try:
            await self._passes()
        finally:
            leading.cancel()
            await asyncio.gather(leading, return_exceptions=True)

    async def _lead(self) -> None:
        """Keep the Lease, whatever a pass does meanwhile: one over many resources is longer
        than the Lease lasts."""
        leads = False
        while self._settings.leader_elect:
            if leads and not self._leadership.holds():
                log.warning("the Lease ran out before it was renewed: nothing is written meanwhile")
                leads = False
            try:
                await self._leadership.renew()
            except UmbelError as error:
                log.warning("the Lease is not renewed: %s", error)
            if self._leadership.holds() and not leads:
                log.info("this operator leads")
                self.wake()
            leads = self._leadership.holds()
            await asyncio.sleep(RENEW_S if self._leadership.holds() else _ASK_S)

    async def _passes(self) -> None:
        failures = 0
        while True:
            if not self._leadership.holds():
                await asyncio.sleep(0.2)
                continue
            try:
                self._woken.clear()
                wait = await self.one_pass()
                failures = 0
            except UmbelError as error:
                failures += 1
                wait = min(_LONGEST_WAIT_S, 0.25 * 2 ** min(failures, 8))
                wait = max(wait, getattr(error, "after_s", 0.0))
                log.warning("%s; trying again in %.1f s", error, wait)
            except Exception:
                failures += 1
                wait = min(_LONGEST_WAIT_S, 0.25 * 2 ** min(failures, 8))
                log.exception("a pass failed; trying again in %.1f s", wait)
            await self._rest(wait, impatient=failures == 0)

    async def one_pass(self) -> float:
        """Read, decide, write. The seconds until the next pass, if nothing is heard."""
        start = time.monotonic()
        world = await self._observer.snapshot()
        wanted = desired(world, self._settings)
        if not self._leadership.holds():
            return 0.0
        wrote = await self._executor.make_so(world, wanted)
        log.debug("a pass took %.2f s, %s", time.monotonic() - start, "wrote" if wrote else "idle")
        moving = any(age < self._settings.linger_s for age in world.settled.values())
        if wrote or wanted.unsettled or moving:
            return self._settings.poll_s
        return self._settings.resync_s

    async def _rest(self, seconds: float, *, impatient: bool) -> None:
        if not impatient:  # what failed would fail again
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
            await asyncio.sleep(DEBOUNCE_S)
