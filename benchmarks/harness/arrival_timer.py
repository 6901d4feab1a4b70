"""A timer that rings within 0.1 ms. An event loop's own rounds up to the millisecond."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Callable

_MONOTONIC = 1
_NONBLOCK = 0o4000


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class ArrivalTimer:
    """Linux's timerfd on the running loop: rings once for each ``set``."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = self._libc.timerfd_create(_MONOTONIC, _NONBLOCK)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._file, self._rang)

    def set(self, due: float) -> None:
        """Ring at ``due``, in ``time.perf_counter()``'s seconds."""
        wait = max(due - time.perf_counter(), 1e-6)
        whole = int(wait)
        value = _TimeSpec(whole, max(1, int((wait - whole) * 1e9)))
        setting = _Setting(_TimeSpec(0, 0), value)
        self._libc.timerfd_settime(self._file, 0, ctypes.byref(setting), None)

    def close(self) -> None:
        """Stop."""
        self._loop.remove_reader(self._file)
        os.close(self._file)

    def _rang(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:
            return
        self._ring()
