"""The name rule that KServe's webhooks apply to services, graphs and trained models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from umbel.graph.findings import Finding
from umbel.k8s.resources.resource import Resource

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")

LONGEST = 63
"""Characters that a Kubernetes Service's name may have, and a label's value."""


def name_findings(resource: Resource[Any], code: str) -> Iterator[Finding]:
    """A name must be lower case letters, digits and dashes, and start with a letter."""
    name = resource.name
    if len(name) > LONGEST:
        yield resource.finding(
            "warning",
            code,
            ("metadata", "name"),
            f"the name has {len(name)} characters; a cluster makes Services and labels of it, "
            f"which have at most {LONGEST}",
            f"shorten it, say to {name[:40].rstrip('-')!r}",
        )
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
