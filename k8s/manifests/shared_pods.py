"""A service's transformer and explainer run in the predictor's pods: what that means for what
they ask of a pod of their own.

Variables, mounts and volumes are added to the worker pods. What can be only once in a pod is the
predictor's, and a warning says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HELPERS = ("transformer", "explainer")

ADDED = frozenset({"volumes", "containers", "labels", "annotations"})
"""Fields of a helper's pod that join the worker pods, or are told elsewhere."""

CARRIED = frozenset({"nodeSelector", "affinity"})
"""Fields that Ray places the helper's replicas by."""

WORDS = "it runs in the predictor's pods, which are as the predictor asks"


def of_all(spec: Mapping[str, Any], own: Mapping[str, Any], field: str, key: str) -> list[Any]:
    """The entries of a container's list ``field``: the predictor's, and those of the helpers'
    containers whose ``key`` is not taken (every other one, where there is no key)."""
    found = list(own.get(field) or ())
    for container in _containers(spec):
        _add(found, container.get(field) or (), key)
    return found


def all_volumes(spec: Mapping[str, Any], own: Sequence[Any]) -> list[Any]:
    """The predictor's volumes, and those of the helpers' pods that have another name."""
    found = list(own)
    for name in HELPERS:
        _add(found, (spec.get(name) or {}).get("volumes") or (), "name")
    return found


def _add(found: list[Any], more: Sequence[Any], key: str) -> None:
    taken = {str(one.get(key)) for one in found if key}
    found += [one for one in more if str(one.get(key)) not in taken and one not in found]


def _containers(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in HELPERS:
        helper = spec.get(name) or {}
        yield from (one for one in helper.get("containers") or () if isinstance(one, Mapping))
        for block in ("art", "alibi"):
            if isinstance(helper.get(block), Mapping):
                yield helper[block]
