"""How much of a resource is read in a cluster, where one namespace's must not keep the others'
waiting: checking some contents takes time that grows with the square of their length.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from umbel.graph.findings import Finding, Place

CODE = "UMB-K713"

LARGEST = 128 * 1024
"""Bytes of a resource's JSON. The largest of KServe's samples has 4 kB."""

LARGEST_TOGETHER = 2 * 1024 * 1024
"""Bytes of a resource and all that it is read with: runtimes, trained models, services."""


def too_large(raw: Mapping[str, Any]) -> Finding | None:
    """The error of a resource that is not read; its status and bookkeeping do not count."""
    metadata = {k: v for k, v in (raw.get("metadata") or {}).items() if k != "managedFields"}
    whole = {k: v for k, v in raw.items() if k != "status"}
    size = len(json.dumps({**whole, "metadata": metadata}, default=str))
    if size <= LARGEST:
        return None
    text = f"the resource has {size} bytes; at most {LARGEST} are read in a cluster"
    return Finding("error", CODE, text, Place(path="spec"), "make several of it")


def too_large_together(texts: Iterable[str]) -> Finding | None:
    """The same of everything that one application is made of."""
    size = sum(map(len, texts))
    if size <= LARGEST_TOGETHER:
        return None
    text = (
        f"the resource and what it is read with have {size} bytes; at most {LARGEST_TOGETHER} "
        "are read in a cluster"
    )
    return Finding("error", CODE, text, Place(), "name fewer services, or remove runtimes")
