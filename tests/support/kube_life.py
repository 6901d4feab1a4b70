"""What kubectl says of umbel's resources in a real control plane."""

from __future__ import annotations

from typing import Any

import yaml

from real_kube import RealKube


def served(kube: RealKube, namespace: str, name: str) -> list[dict[str, Any]]:
    """The applications of a resource's RayService."""
    raw = kube.get("rayservice", name, "-n", namespace)
    config = yaml.safe_load(raw["spec"]["serveConfigV2"])
    applications: list[dict[str, Any]] = config["applications"]
    return applications


def ready(kube: RealKube, namespace: str, *names: str, seconds: int = 60) -> None:
    wait = ("wait", "--for=condition=Ready", f"--timeout={seconds}s", "-n", namespace)
    kube.kubectl(*wait, *names, timeout=seconds + 10)


def condition(kube: RealKube, namespace: str, name: str, type_: str = "Ready") -> dict[str, Any]:
    status = kube.get(name, "-n", namespace).get("status") or {}
    return next((c for c in status.get("conditions", []) if c["type"] == type_), {})
