"""A real Helm, where there is one, and umbel's chart as it is written."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from kube_binaries import found
from umbel.k8s.install import chart

MISSING = "no helm: `make kube` gets one, or set UMBEL_HELM"


class HelmFailed(AssertionError):
    """Helm ended with an error; the message is what it said."""


class Helm:
    """``folder`` gets the chart and what Helm writes. Raises ``FileNotFoundError`` without a
    Helm."""

    def __init__(self, folder: Path, kubeconfig: Path | None = None) -> None:
        program = found("helm")
        if program is None:
            raise FileNotFoundError(MISSING)
        self._program, self._folder = program, folder
        self.chart = folder / "chart"
        self._environment = {
            **os.environ,
            "HELM_CACHE_HOME": str(folder / "cache"),
            "HELM_CONFIG_HOME": str(folder / "config"),
            "HELM_DATA_HOME": str(folder / "data"),
        }
        if kubeconfig is not None:
            self._environment["KUBECONFIG"] = str(kubeconfig)
        for path, text in chart(importlib.metadata.version("umbel")).items():
            (self.chart / path).parent.mkdir(parents=True, exist_ok=True)
            (self.chart / path).write_text(text)

    def __call__(self, *words: str) -> str:
        """What it prints. Raises ``HelmFailed``."""
        done = subprocess.run(
            [str(self._program), *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise HelmFailed(f"helm {' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout

    def version(self) -> int:
        """Its major one."""
        return int(self("version", "--template", "{{.Version}}").lstrip("v").split(".")[0])

    def values(self, values: dict[str, Any]) -> tuple[str, ...]:
        """The words that name them."""
        file = self._folder / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        return ("-f", str(file))
