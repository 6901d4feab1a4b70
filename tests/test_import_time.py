"""Declaring a graph is quick: ``import umbel`` loads no library that only running needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = frozenset(
    {
        "aiohttp",
        "fastapi",
        "grpc",
        "numpy",
        "pandas",
        "ray",
        "sklearn",
        "starlette",
        "torch",
        "uvicorn",
    }
)


def loaded_by(statement: str) -> frozenset[str]:
    """Top-level packages that a fresh interpreter imports for the statement."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    names = (line.rpartition("|")[2].strip() for line in done.stderr.splitlines())
    return frozenset(name.partition(".")[0] for name in names)


def test_the_front_door_is_light() -> None:
    loaded = loaded_by("import umbel")
    assert "umbel" in loaded
    assert not HEAVY & loaded


@pytest.mark.parametrize("module", ["umbel.graph.checks", "umbel.graph.yaml_source"])
def test_checking_is_light(module: str) -> None:
    assert not HEAVY & loaded_by(f"import {module}")
