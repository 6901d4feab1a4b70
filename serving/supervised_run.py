"""Serves in a process that cannot be left behind.

    umbel run (this process)            foreground: signals, the claim on the port
    ├── guard                           session of its own: cleans up when the first is gone
    └── serving process                 session of its own: the driver of Ray
        └── Ray's daemons, replicas, HAProxy

The serving process has its own session for two reasons. Ctrl-C, which a terminal sends to
every process of the foreground, does not reach replicas and HAProxy, so that a drain still
finds them alive; and whatever they start is known by the session's number.

What ends what: the end of the foreground process, by whatever death, ends the run (the
guard). The end of the serving process ends the foreground process. The guard's death changes
nothing until both are dead, and then the next claim on the port finishes the rest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import psutil

from umbel.graph import errors
from umbel.serving import port_claim, run_guard
from umbel.serving.addresses import free_port
from umbel.serving.stop_signals import stop_signals

_TEARDOWN_S = 20.0  # what Serve and Ray take to stop once requests have ended


@dataclasses.dataclass(frozen=True)
class RunScope:
    """What one run has to itself."""

    run_id: str
    host: str
    port: int
    folder: Path
    """A short path only this user can read, removed with the run."""

    def wait_for_stop(self) -> None:
        """Blocks the serving process's main thread until a stop is asked for.

        Before it is called a stop simply ends the process: nothing is being served. Call it
        last, after everything answers.
        """
        asked = threading.Event()
        signal.signal(signal.SIGTERM, lambda _number, _frame: asked.set())
        while not asked.wait(timeout=3600):
            pass


def supervise(
    serve: Callable[[RunScope], int], *, host: str, port: int, drain_s: float = 30.0
) -> int:
    """Runs ``serve`` in a process of its own and returns the exit code of the run.

    ``serve`` gets the run's scope, starts what it serves with, calls
    ``scope.wait_for_stop()``, drains, and returns its exit code; the process is forked, so
    heavy imports (numpy, Ray, a user's graph) belong into it and not before this call. Port 0
    picks a free one. SIGINT, SIGTERM or SIGHUP asks it to stop and gives it ``drain_s``
    seconds for its requests; a second one kills the run at once. Returns 0 for a stop that
    was asked for, 130 for a second signal, 1 where the serving process died or hung.

    Raises PortTaken before anything is started. When this returns, no process of the run is
    left and the port is free.
    """
    port = port or free_port(host)
    claim = port_claim.PortClaim.take(host, port)
    folder = Path(tempfile.mkdtemp(prefix="umbel-", dir="/tmp"))
    scope = RunScope(uuid.uuid4().hex, host, port, folder)
    return _Supervision(serve, scope, claim, drain_s).run()


class _Supervision:
    """The foreground process's part of one run."""

    def __init__(
        self,
        serve: Callable[[RunScope], int],
        scope: RunScope,
        claim: port_claim.PortClaim,
        drain_s: float,
    ) -> None:
        self._serve = serve
        self._scope = scope
        self._claim = claim
        self._patience_s = drain_s + _TEARDOWN_S
        self._child = 0
        self._asked = 0
        self._overdue = False

    def run(self) -> int:
        handlers = {number: signal.getsignal(number) for number in stop_signals()}
        pipe_out, pipe_in = os.pipe()
        guard = self._start_guard(pipe_out)
        try:
            for number in handlers:
                signal.signal(number, self._on_stop)
            signal.signal(signal.SIGALRM, self._on_overdue)
            self._child = self._start_child(pipe_in)
            status = self._wait()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.close(pipe_in)
            self._finish(guard)
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self._exit_code(status)

    def _start_guard(self, pipe: int) -> subprocess.Popen[bytes]:
        scope = self._scope
        arguments = [str(pipe), scope.run_id, str(scope.folder), str(self._claim.path)]
        guard = subprocess.Popen(
            [sys.executable, "-IS", run_guard.__file__, *arguments],
            pass_fds=(pipe, self._claim.file),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        os.close(pipe)
        return guard

    def _start_child(self, life: int) -> int:
        """Forks the serving process, and lets it go on once guard and record know of it."""
        wait_out, wait_in = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            for file in (life, wait_in, self._claim.file):
                os.close(file)
            self._become_the_serving_process(wait_out)
        os.close(wait_out)
        own = psutil.Process()
        self._claim.record(
            port_claim.RunRecord(
                pid=own.pid,
                started=own.create_time(),
                run_id=self._scope.run_id,
                session=child,
                session_started=psutil.Process(child).create_time(),
                folder=str(self._scope.folder),
            )
        )
        os.write(life, f"{child}\n".encode())
        os.write(wait_in, b"go")
        os.close(wait_in)
        return child

    def _become_the_serving_process(self, go: int) -> None:
        """Never returns: the frames above belong to the foreground process."""
        code = 1
        try:
            os.setsid()
            for number in (signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            if os.read(go, 2) == b"go":
                os.close(go)
                code = self._serve(self._scope)
        except errors.UmbelError as error:
            sys.stderr.write(f"error: {error}\n")
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._asked += 1
        if self._asked == 1:
            signal.setitimer(signal.ITIMER_REAL, self._patience_s)
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGTERM if self._asked == 1 else signal.SIGKILL)

    def _on_overdue(self, _number: int, _frame: FrameType | None) -> None:
        self._overdue = True
        if self._child:
            os.kill(self._child, signal.SIGKILL)

    def _wait(self) -> int:
        if self._asked:  # the signal came while the child was being started
            os.kill(self._child, signal.SIGTERM)
        _pid, status = os.waitpid(self._child, 0)
        return os.waitstatus_to_exitcode(status)

    def _finish(self, guard: subprocess.Popen[bytes]) -> None:
        """Waits for the guard, and does its work where it was killed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            guard.wait(timeout=_TEARDOWN_S)
        run_guard.sweep(self._child, self._scope.run_id)
        shutil.rmtree(self._scope.folder, ignore_errors=True)
        self._claim.close()

    def _exit_code(self, status: int) -> int:
        if self._asked > 1:
            return 130
        if self._overdue:
            sys.stderr.write("error: the run did not stop in time and was killed\n")
            return 1
        if self._asked:
            return 0
        if status < 0:
            name = signal.Signals(-status).name
            sys.stderr.write(f"error: the serving process was killed ({name})\n")
            return 1
        return status
