"""A pod laid over a pod, as Kubernetes' strategic merge patch does it: KServe lays a service's
over its runtime's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_KEYS: Mapping[str, str] = {
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ports": "containerPort",
    "resourceClaims": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""Lists whose entries are told apart by a field; every other list is replaced as a whole."""

_WHOLE = frozenset({"volumes"})
"""Lists whose entries replace each other: a volume has one source."""


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid over ``base``. Neither is changed; ``null`` removes a field."""
    found = dict(base)
    for name, value in over.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping):
            there = found.get(name)
            found[name] = merged(there if isinstance(there, Mapping) else {}, value)
        elif isinstance(value, (list, tuple)) and name in _KEYS:
            found[name] = _entries(found.get(name) or (), value, _KEYS[name], name in _WHOLE)
        else:
            found[name] = value
    return found


def merged_container(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """As ``merged``, but a service's arguments follow its runtime's."""
    args = [*(base.get("args") or ()), *(over.get("args") or ())]
    found = merged(base, {key: value for key, value in over.items() if key != "args"})
    return {**found, "args": args} if args else found


def _entries(base: Sequence[Any], over: Sequence[Any], key: str, whole: bool) -> list[Any]:
    found = list(base)
    for one in over:
        same = [at for at, there in enumerate(found) if there.get(key) == one.get(key)]
        if not same:
            found.append(one)
        else:
            found[same[0]] = dict(one) if whole else merged(found[same[0]], one)
    return found
