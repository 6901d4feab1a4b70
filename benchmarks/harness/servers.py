"""How each server is started for a workload, and under which path it answers."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.workloads import Workload

HERE = Path(__file__).resolve().parents[1]
UMBEL = HERE.parent / ".venv" / "bin"
PEERS = HERE.parent / ".venv-peers" / "bin"

_MATH = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class NotThere(Exception):
    """A server that cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Start:
    """A command with its environment, and the path of the inference verb."""

    command: tuple[str, ...]
    path: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def whole_environment(self) -> dict[str, str]:
        """One thread for linear algebra in every server: on two cores more of them fight."""
        return {
            **_MATH,
            "PYTHONPATH": str(HERE),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
            **self.environment,
        }


@dataclass(frozen=True)
class Server:
    """``ray``: it starts Ray, so no other Ray may be at work. ``ours``: umbel."""

    name: str
    words: str
    start: Callable[[Workload, int], Start]
    ray: bool = False
    ours: bool = False


def _hand_written(workload: Workload, port: int) -> Start:
    path = "/infer" if workload.name == "tensor" else "/predict"
    command = (str(UMBEL / "python"), "-m", "peers.hand_written", workload.name, str(port))
    return Start(command, path)


def _umbel(*options: str, batched: bool = False) -> Callable[[Workload, int], Start]:
    def start(workload: Workload, port: int) -> Start:
        known = _umbel_options()
        for option in options:
            if option.startswith("--") and option not in known:
                raise NotThere(f"umbel run has no option {option}")
        graph = workload.graph + ("_batched" if batched else "")
        name = graph.partition(":")[2]
        verb = "v2/models/{0}/infer" if workload.name == "tensor" else "v1/models/{0}:predict"
        files = [str(HERE / "graphs" / file) for file in (graph, *workload.more_graphs)]
        command = (str(UMBEL / "umbel"), "run", *files, "--port", str(port), *options)
        return Start(command, f"/{name}/{verb.format(name)}")

    return start


@functools.cache
def _umbel_options() -> str:
    return subprocess.run(
        [UMBEL / "umbel", "run", "--help"], capture_output=True, text=True, check=True
    ).stdout


def _ray(settings: str) -> Callable[[Workload, int], Start]:
    def start(workload: Workload, port: int) -> Start:
        module = (str(UMBEL / "python"), "-m", "peers.ray_handles")
        return Start((*module, settings, workload.name, str(port)), "/")

    return start


def _kserve(workload: Workload, port: int) -> Start:
    return Start((_peer("python"), "-m", "peers.kserve_sequence", workload.name, str(port)), "/")


def _bentoml(batch: int) -> Callable[[Workload, int], Start]:
    def start(workload: Workload, port: int) -> Start:
        command = (_peer("bentoml"), "serve", "peers.bento_graph:Entry", "--host", "127.0.0.1")
        environment = {
            "BENCHMARK_WORKLOAD": workload.name,
            "BENCHMARK_BATCH": str(batch),
            "BENTOML_HOME": os.path.join(tempfile.gettempdir(), f"umbel-bentoml-{os.getuid()}"),
            "BENTOML_DO_NOT_TRACK": "True",
        }
        options = ("-p", str(port), "--working-dir", str(HERE), "--quiet")
        return Start((*command, *options), "/predict", environment)

    return start


def _litserve(batch: int) -> Callable[[Workload, int], Start]:
    def start(workload: Workload, port: int) -> Start:
        module = (_peer("python"), "-m", "peers.lit_pipeline")
        return Start((*module, workload.name, str(port), str(batch)), "/predict")

    return start


def _peer(program: str) -> str:
    path = PEERS / program
    if not path.exists():
        raise NotThere(f"{path} is not there: make .venv-peers")
    return str(path)


_ALL = (
    Server("hand-written", "one FastAPI process, by hand: the limit", _hand_written),
    Server("umbel-local", "umbel run --local", _umbel("--local"), ours=True),
    Server("umbel-ray", "umbel run, 1 replica", _umbel("--replicas", "1"), ray=True, ours=True),
    Server("umbel-ray-2", "umbel run, 2 replicas", _umbel("--replicas", "2"), ray=True, ours=True),
    Server("umbel-local-batched", "with Batch(64)", _umbel("--local", batched=True), ours=True),
    Server(
        "umbel-ray-batched",
        "umbel run, 1 replica, with Batch(64)",
        _umbel("--replicas", "1", batched=True),
        ray=True,
        ours=True,
    ),
    Server("ray-handles", "Ray Serve by handles, all throughput settings", _ray("all"), ray=True),
    Server("ray-handles-default", "Ray Serve by handles, as it comes", _ray("default"), ray=True),
    Server("kserve", "KServe model servers, called in sequence", _kserve),
    Server("bentoml", "BentoML services with depends()", _bentoml(1)),
    Server("bentoml-batched", "the same with adaptive batching", _bentoml(64)),
    Server("litserve", "LitServe, the pipeline in one worker", _litserve(1)),
    Server("litserve-batched", "the same with max_batch_size=64", _litserve(64)),
)
SERVERS: dict[str, Server] = {server.name: server for server in _ALL}


def chosen(workload: Workload, names: list[str] | None, skipped: list[str]) -> list[Server]:
    """The workload's servers: umbel's, of the others those whose name begins with one of
    ``names`` (None: all), without those that begin with one of ``skipped``."""
    return [
        SERVERS[name]
        for name in workload.servers
        if (names is None or SERVERS[name].ours or name.startswith(tuple(names)))
        and not name.startswith(tuple(skipped))
    ]
