"""umbel's operator as a process, with the rights that its installation gives it, and a stand-in
for KubeRay's controller: there are no kubelets that could run Ray's pods."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from real_kube import RealKube

SYSTEM = "umbel-system"
ACCOUNT = "umbel-operator"


@dataclass
class RealOperator:
    """``start`` as many as are wanted; ``processes`` are those that run."""

    kube: RealKube
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one; without arguments as its installation does, but for its health port."""
        token = self.kube.token(ACCOUNT, SYSTEM)
        words = ["-m", "umbel", "k8s", "operator", "--poll", "0.2", "--linger", "0.5"]
        words += ["--config-namespace", SYSTEM, *arguments]
        with (self.kube.folder / "operator.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *words],
                env={**os.environ, "KUBECONFIG": str(self.kube.kubeconfig(token))},
                stderr=log,
                stdout=log,
            )
        self.processes.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes], *, kill: bool = False) -> int:
        self.processes.remove(process)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        return process.wait(30)

    def close(self) -> None:
        for process in list(self.processes):
            self.end(process, kill=True)

    def writes(self) -> list[dict[str, Any]]:
        """What the operators asked the API server to change, Leases apart."""
        return [
            one
            for one in self.kube.audit(ACCOUNT)
            if one["verb"] not in ("get", "list", "watch")
            and one["objectRef"]["resource"] not in ("leases", "selfsubjectaccessreviews")
        ]

    def refused(self) -> list[dict[str, Any]]:
        """What they asked for and may not have, since this object was made."""
        asked = self.kube.audit(ACCOUNT)[self._since :]
        return [one for one in asked if one["responseStatus"].get("code") == 403]

    def __post_init__(self) -> None:
        self._since = len(self.kube.audit(ACCOUNT))


class StandIn:
    """Reports what each RayService's Serve configuration asks for as running, as KubeRay's
    controller does once Ray's pods are there. ``fails``: applications that do not start."""

    def __init__(self, kube: RealKube) -> None:
        self._kube, self._stop = kube, threading.Event()
        self.fails: dict[str, str] = {}
        """A text in an application's arguments → the message with which it fails."""
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            with contextlib.suppress(OSError):
                for raw in self._kube.ask("GET", "/apis/ray.io/v1/rayservices")["items"]:
                    self._report(raw)

    def _report(self, raw: dict[str, Any]) -> None:
        config = yaml.safe_load(raw["spec"]["serveConfigV2"])
        states = {one["name"]: self._state(one) for one in config["applications"]}
        status = {"activeServiceStatus": {"applicationStatuses": states}}
        known = (raw.get("status") or {}).get("activeServiceStatus") or {}
        if known.get("applicationStatuses") == states:
            return
        names = raw["metadata"]
        path = f"/apis/ray.io/v1/namespaces/{names['namespace']}/rayservices/{names['name']}/status"
        self._kube.ask("PUT", path, {**raw, "status": status})

    def _state(self, application: dict[str, Any]) -> dict[str, str]:
        for text, message in self.fails.items():
            if text in str(application["args"]):
                return {"status": "DEPLOY_FAILED", "message": message}
        return {"status": "RUNNING"}


def until(holds: Any, what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@contextlib.contextmanager
def running(operator: RealOperator, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """One operator for the length of a block; it ends well."""
    process = operator.start(*arguments)
    try:
        yield process
    finally:
        if process in operator.processes:
            assert operator.end(process) == 0
