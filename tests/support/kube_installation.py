"""umbel in a real control plane, as its users install it."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from kube_access import KubeAccess, KubectlFailed

ROOT = Path(__file__).parents[2]
RAY_SCHEMA = ROOT / "tests" / "k8s" / "manifests" / "rayservice_v1.json.xz"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def umbel(*words: str) -> str:
    """What ``umbel`` prints."""
    return subprocess.run(
        [sys.executable, "-m", "umbel", *words], check=True, capture_output=True, text=True
    ).stdout


def install(kube: KubeAccess, *options: str) -> None:
    """Apply what ``umbel k8s install`` prints, and KubeRay's CRD."""
    printed = umbel("k8s", "install", *options)
    objects = [for_server(kube, one) for one in yaml.load_all(printed, Loader=LOADER)]
    kube.kubectl("apply", "--server-side", "-f", "-", stdin=objects)
    # (An older server in front knows not every field of a newer one's CRDs.)
    words = ("create", "--validate=false", "-f", "-")
    kube.kubectl(*words, stdin=for_server(kube, ray_service_crd()))
    await_established(kube)


def await_established(kube: KubeAccess) -> None:
    """Until every CRD is served. (`kubectl wait` gives up on one that has no condition yet.)"""
    end = time.monotonic() + 180
    while True:
        found = kube.get("crd")["items"]
        states = [(one.get("status") or {}).get("conditions") or () for one in found]
        if all(
            any(c["type"] == "Established" and c["status"] == "True" for c in s) for s in states
        ):
            break
        assert time.monotonic() < end, states
        time.sleep(0.3)
    for one in found:
        for version in (v["name"] for v in one["spec"]["versions"] if v["served"]):
            path = f"/apis/{one['spec']['group']}/{version}"
            while not _answers(kube, path):
                assert time.monotonic() < end, f"{path} is not served"
                time.sleep(0.3)


def _answers(kube: KubeAccess, path: str) -> bool:
    """A server in front of another looks for it from time to time."""
    try:
        return bool(kube.ask("GET", path)["resources"])
    except OSError:
        return False


def kserve_crds() -> list[dict[str, Any]]:
    """KServe's own, from the folder that ``UMBEL_KSERVE_CRDS`` names; none without it."""
    folder = Path(os.environ.get("UMBEL_KSERVE_CRDS", "nowhere"))
    files = sorted(folder.glob("serving.kserve.io_*.yaml"))
    return [yaml.load(file.read_text(), Loader=LOADER) for file in files]


def own_crds() -> list[dict[str, Any]]:
    """Those that ``umbel k8s crds`` prints."""
    return list(yaml.load_all(umbel("k8s", "crds"), Loader=LOADER))


def apply_crds(kube: KubeAccess, crds: list[dict[str, Any]], *words: str) -> None:
    """As users do it; until they are served. A busy machine takes longer for the largest than
    the server's patience lasts."""
    wanted = [for_server(kube, one) for one in crds]
    for attempt in range(4):
        try:
            kube.kubectl("apply", "--server-side", *words, "-f", "-", stdin=wanted, timeout=180)
            break
        except KubectlFailed as error:
            if attempt == 3 or "Timeout" not in str(error):
                raise
    await_established(kube)


def for_server(kube: KubeAccess, raw: dict[str, Any]) -> dict[str, Any]:
    """The object as it came; on servers before 1.25 a CRD without its rules in CEL."""
    if raw["kind"] != "CustomResourceDefinition" or kube.crd_version() >= (1, 25):
        return raw
    made: dict[str, Any] = _without_rules(raw)
    return made


def _without_rules(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_rules(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {k: _without_rules(v) for k, v in schema.items() if k != "x-kubernetes-validations"}


def ray_service_crd() -> dict[str, Any]:
    """KubeRay's RayService, as the manifests' tests have its schema."""
    schema = json.loads(lzma.decompress(RAY_SCHEMA.read_bytes()))
    open_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema["properties"].setdefault("status", open_object)
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"kind": "RayService", "plural": "rayservices", "singular": "rayservice"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rayservices.ray.io"},
        "spec": {"group": "ray.io", "names": names, "scope": "Namespaced", "versions": [version]},
    }
