"""The same choices for both forms of the installation: what Helm is told, and the options."""

from __future__ import annotations

import dataclasses
from typing import Any

from umbel.k8s.install import InstallOptions, installation
from umbel.k8s.manifests import ClusterOptions, RenderOptions

NAMESPACE = "umbel-system"

PLAIN = InstallOptions(crds=False)
RAY = dataclasses.replace(PLAIN, target="ray", dashboard="http://ray:8265")
RAY_VALUES = {"target": "ray", "dashboardUrl": "http://ray:8265"}

CHOICES: dict[str, tuple[dict[str, Any], InstallOptions]] = {
    "plain": ({}, PLAIN),
    "no webhooks": ({"webhooks": False}, dataclasses.replace(PLAIN, webhooks=False)),
    "an image of one's own": (
        {"image": "registry.example.com/umbel:0.1.0", "pullSecret": "opens-it", "replicas": 1},
        dataclasses.replace(
            PLAIN,
            render=RenderOptions(cluster=ClusterOptions(image="registry.example.com/umbel:0.1.0")),
            pull_secret="opens-it",
            replicas=1,
        ),
    ),
    "beside KServe": (
        {"configNamespace": "kserve"},
        dataclasses.replace(PLAIN, config_namespace="kserve"),
    ),
    "one namespace": ({"watch": "team"}, dataclasses.replace(PLAIN, watch="team")),
    "a namespace that looks like a number": (
        {"watch": "123"},
        dataclasses.replace(PLAIN, watch="123"),
    ),
    "more options": (
        {"arguments": ["--domain=models.example.com", "--route=ingress"]},
        dataclasses.replace(PLAIN, arguments=("--domain=models.example.com", "--route=ingress")),
    ),
    "a Ray cluster": (RAY_VALUES, RAY),
    "a Ray cluster, all of it": (
        {
            **RAY_VALUES,
            "serveUrl": "http://serve:8000",
            "rayTokenSecret": "ray-token",
            "watch": "team",
            "webhooks": False,
        },
        dataclasses.replace(
            RAY,
            serve_url="http://serve:8000",
            token_secret="ray-token",
            watch="team",
            webhooks=False,
        ),
    ),
    "a token and no Ray cluster": (
        {"rayTokenSecret": "ray-token", "serveUrl": "http://serve:8000", "watch": "team"},
        dataclasses.replace(PLAIN, watch="team"),
    ),
}
"""Name → the chart's values, and the options that say the same."""


def keyed(objects: Any) -> dict[tuple[str, str, str], Any]:
    """By kind, namespace and name, each once."""
    found = list(objects)
    names = {
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one
        for one in found
    }
    assert len(names) == len(found)
    return names


def wanted(options: InstallOptions) -> dict[tuple[str, str, str], Any]:
    """What ``umbel k8s install`` prints; Helm makes the release's namespace itself."""
    return keyed(one for one in installation(options) if one["kind"] != "Namespace")
