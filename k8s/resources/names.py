"""The name rule that KServe's webhooks apply to services, graphs and trained models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from umbel.graph.findings import Finding
from umbel.k8s.resources.resource import Resource

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def name_findings(resource: Resource[Any], code: str) -> Iterator[Finding]:
    """A name must be lower case letters, digits and dashes, and start with a letter."""
    name = resource.name
    if not name or NAME.fullmatch(name):
        return
    better = re.sub(r"^[^a-z]+|-+$", "", re.sub(r"[^-a-z0-9]+", "-", name.lower()))
    yield resource.finding(
        "error",
        code,
        ("metadata", "name"),
        f"the name {name!r} must match {NAME.pattern}: lower case letters, digits and '-', "
        "a letter first and no '-' last",
        f"rename it to {better!r}" if better else "use a name such as 'my-name'",
    )
