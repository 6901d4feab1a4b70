"""What the ``router`` key of KServe's ConfigMap says: which headers travel on."""

from __future__ import annotations

import json
import re

from umbel.graph.findings import Finding
from umbel.k8s.resources import Loaded
from umbel.k8s.resources.storage_objects import SERVICE_CONFIG
from umbel.nodes.go_patterns import compile_pattern


def router_headers(loaded: Loaded) -> tuple[tuple[str, ...], list[Finding]]:
    """The header patterns, and a warning for each that Go would not compile."""
    for config in loaded.config_maps:
        if config.name == SERVICE_CONFIG and "router" in config.spec.data:
            try:
                router = json.loads(config.spec.data["router"])
                patterns = tuple(str(p) for p in router.get("headers", {}).get("propagate", []))
            except (ValueError, AttributeError) as error:
                return (), [
                    config.finding(
                        "warning",
                        "UMB-K501",
                        ("data", "router"),
                        f"the router's settings are not the JSON they should be: {error}",
                        'write {"headers": {"propagate": ["X-.*"]}}',
                    )
                ]
            broken = [pattern for pattern in patterns if not _compiles(pattern)]
            return patterns, [
                config.finding(
                    "warning",
                    "UMB-K502",
                    ("data", "router"),
                    f"the header pattern {pattern!r} is no regular expression: it is skipped",
                    "write a regular expression: X-.* rather than X-*",
                )
                for pattern in broken
            ]
    return (), []


def _compiles(pattern: str) -> bool:
    try:
        compile_pattern(pattern)
    except re.error:
        return False
    return True
