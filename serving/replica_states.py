"""Wanted and ready replicas of what runs: read from Ray Serve, and told to other processes.

`umbel status` is another process than the run it asks about, and only the run's own driver is
connected to its Ray. So the driver answers on a Unix socket in the run's folder, which only
the user can read.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from umbel.graph.errors import UmbelError

SOCKET = "status"
"""The socket's name in a run's folder."""

_PATIENCE_S = 5.0


class NotTold(UmbelError):
    """A run does not say how it is."""


@dataclass(frozen=True)
class ReplicaState:
    """One deployment. ``wanted`` is what its scaling asks for now, ``ready`` what answers
    requests; ``starting`` and ``stopping`` are on their way."""

    graph: str
    deployment: str
    status: str
    wanted: int
    ready: int
    starting: int
    stopping: int
    message: str = ""


def read_states() -> list[ReplicaState]:
    """Of every application of the Ray that this process is connected to."""
    from ray.serve.context import _get_global_client

    client: Any = _get_global_client(raise_if_no_controller_running=False)
    if client is None:
        return []
    found = []
    for graph, application in client.get_serve_details()["applications"].items():
        for name, details in application["deployments"].items():
            states = Counter(_text(replica["state"]) for replica in details["replicas"])
            found.append(
                ReplicaState(
                    graph,
                    name,
                    _text(details["status"]),
                    int(details["target_num_replicas"]),
                    states["RUNNING"],
                    states["STARTING"] + states["UPDATING"] + states["RECOVERING"],
                    states["STOPPING"] + states["PENDING_MIGRATION"],
                    details["message"],
                )
            )
    return found


def _text(state: Any) -> str:
    """A state's name, whether Ray gives the enumeration's member or its value."""
    return str(getattr(state, "value", state))


class StatesTold:
    """Answers whoever connects to the socket in ``folder``, from a thread, while it is open."""

    def __init__(self, folder: Path, read: Callable[[], list[ReplicaState]] = read_states) -> None:
        self._path, self._read = folder / SOCKET, read
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> StatesTold:
        self._socket.bind(str(self._path))
        self._socket.listen(8)
        threading.Thread(target=self._answer, name="umbel-status", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _answer(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(_PATIENCE_S)
                connection.sendall(self._told())

    def _told(self) -> bytes:
        try:
            return json.dumps({"states": [asdict(state) for state in self._read()]}).encode()
        except Exception as error:  # Ray is going down: whoever asks is told so
            return json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()


def ask(folder: Path) -> list[ReplicaState]:
    """What the run with this folder says. Raises ``NotTold``."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(_PATIENCE_S)
            client.connect(str(folder / SOCKET))
            parts = []
            while part := client.recv(65536):
                parts.append(part)
        told = json.loads(b"".join(parts))
    except (OSError, ValueError) as error:
        raise NotTold(f"the run does not answer: {error}; is it still starting?") from error
    if "error" in told:
        raise NotTold(f"the run cannot tell: {told['error']}")
    return [ReplicaState(**state) for state in told["states"]]
