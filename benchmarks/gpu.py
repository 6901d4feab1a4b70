"""One torch model behind umbel on the GPU and on the CPU, with and without batching.

    python benchmarks/gpu.py                  # needs a GPU; says so and ends where there is none
    python benchmarks/gpu.py --device cpu     # the same code without one

Each row is a server of its own (`umbel run --local`) under the same load: CLIENTS connections,
each with one request of one row at a time, V2 with binary tensors. The answers of all rows are
compared with the module's own in float32 before anything is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from umbel import AsyncInferenceClient

LAYERS = 6
TOLERANCES = {"full": 1e-3, "bfloat16": 5e-2, "float16": 1e-2}
"""Largest difference allowed, relative to the largest number of the answer."""

GRAPH = """
from umbel import Batch, inference_graph, predictor

model = predictor("pytorch", uri={model!r}, settings={settings!r}{batch})

@inference_graph
def gpu(x):
    return model(x)
"""


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    settings: dict[str, object]
    batch: str = ""

    @property
    def precision(self) -> str:
        return str(self.settings.get("precision", "full"))


def cases(device: str) -> list[Case]:
    """What is compared. Each but the first changes one thing."""
    batch = ", batch=Batch(max_size=32, max_wait_ms=2)"
    on: dict[str, object] = {"device": device}
    rows = [Case("cpu, alone", {"device": "cpu"}), Case("cpu, batched", {"device": "cpu"}, batch)]
    rows += [Case(f"{device}, alone", on), Case(f"{device}, batched", on, batch)]
    rows.append(Case(f"{device}, batched, bfloat16", {**on, "precision": "bfloat16"}, batch))
    if device != "cpu":
        rows.append(Case(f"{device}, batched, float16", {**on, "precision": "float16"}, batch))
        rows.append(Case(f"{device}, batched, not pinned", {**on, "pinned": False}, batch))
    rows.append(Case(f"{device}, batched, compiled", {**on, "compile": True}, batch))
    return rows[2 if device == "cpu" else 0 :]


def saved_model(folder: Path, width: int) -> tuple[torch.nn.Sequential, Path]:
    """A network of LAYERS dense layers, as a torch.export program."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(width, width) for _ in range(LAYERS)]
    parts = [part for layer in layers for part in (layer, torch.nn.ReLU())]
    network = torch.nn.Sequential(*parts[:-1]).eval()
    dims = ({0: torch.export.Dim("batch")},)
    rows = torch.zeros(2, width)
    torch.export.save(
        torch.export.export(network, (rows,), dynamic_shapes=dims), folder / "network.pt2"
    )
    return network, folder / "network.pt2"


class Utilisation:
    """What ``nvidia-smi`` says of the GPU, twice a second, while a load runs."""

    def __init__(self) -> None:
        self._done, self.percent = threading.Event(), list[float]()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Utilisation:
        if shutil.which("nvidia-smi"):
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _watch(self) -> None:
        asked = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._done.wait(0.5):
            told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
            self.percent += [float(line) for line in told.split() if line.isdigit()][:1]


@dataclass
class Measured:
    """A load's outcome: seconds of each request, and requests per second."""

    seconds: list[float] = field(default_factory=list)
    per_second: float = 0.0
    percent: list[float] = field(default_factory=list)

    def row(self, name: str, difference: float) -> str:
        """A line of the table."""
        p50, p99 = (1000 * float(np.quantile(self.seconds, q)) for q in (0.5, 0.99))
        busy = f"{statistics.mean(self.percent):.0f} %" if self.percent else "-"
        figures = f"{self.per_second:.0f} | {p50:.2f} | {p99:.2f} | {busy} | {difference:.1e}"
        return f"| {name} | {figures} |"


async def load(url: str, width: int, clients: int, seconds: float) -> Measured:
    """CLIENTS connections, each asks again once it has its answer."""
    measured, rows = Measured(), np.random.default_rng(0).normal(size=(clients, 1, width))
    end = time.perf_counter() + seconds

    async def one(row: np.ndarray[Any, Any]) -> None:
        async with AsyncInferenceClient(url) as client:
            while (start := time.perf_counter()) < end:
                await client.infer({"x": row})
                measured.seconds.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(one(row.astype(np.float32)) for row in rows))
    measured.per_second = len(measured.seconds) / (time.perf_counter() - start)
    return measured


async def difference(url: str, network: torch.nn.Sequential, width: int) -> float:
    """How far the served answers are from the module's own, relative to the largest."""
    rows = np.random.default_rng(1).normal(size=(16, width)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(rows)).numpy()
    async with AsyncInferenceClient(url) as client:
        asked = (client.infer({"x": rows[at : at + 1]}) for at in range(len(rows)))
        found = np.concatenate([one.array for one in await asyncio.gather(*asked)])
    return float(np.abs(found - expected).max() / np.abs(expected).max())


class Served:
    """`umbel run --local` of one case, until the block ends."""

    def __init__(self, case: Case, model: Path, folder: Path) -> None:
        self._file = folder / "served.py"
        text = GRAPH.format(model=str(model), settings=case.settings, batch=case.batch)
        self._file.write_text(text)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/gpu"

    def __enter__(self) -> Served:
        command = [sys.executable, "-m", "umbel", "run", "--local", str(self._file)]
        self._process = subprocess.Popen(
            [*command, "--port", str(self._port)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("ready http"):
                return self
        raise SystemExit(f"umbel did not start: exit code {self._process.wait()}")

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=60)


def measure(
    case: Case, network: torch.nn.Sequential, model: Path, options: argparse.Namespace
) -> str:
    """One row of the table. Ends the run where answers differ by more than is allowed."""
    with Served(case, model, model.parent) as served:
        apart = asyncio.run(difference(served.url, network, options.width))
        if apart > TOLERANCES[case.precision]:
            raise SystemExit(f"{case.name}: answers differ by {apart:.2e}")
        asyncio.run(load(served.url, options.width, options.clients, options.seconds / 4))
        with Utilisation() as watched:
            measured = asyncio.run(
                load(served.url, options.width, options.clients, options.seconds)
            )
        measured.percent = watched.percent
        return measured.row(case.name, apart)


def main() -> int:
    """The table on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--width", type=int, default=2048, help="of each of the dense layers")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("no GPU here: nothing was measured")
        return 0
    about = {"torch": torch.__version__, "cores": os.cpu_count(), "clients": options.clients}
    if options.device.startswith("cuda"):
        about["gpu"] = torch.cuda.get_device_name(options.device)
    print(json.dumps(about))
    print("| | requests/s | p50 ms | p99 ms | GPU busy | largest difference |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        network, model = saved_model(Path(folder), options.width)
        for case in cases(options.device):
            print(measure(case, network, model, options), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
