"""The variables of an application on a Ray cluster that runs already: a resource's credentials,
sealed where the operator has a key, and what its containers' ``env`` says in plain text.

Ray's dashboard shows them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.graph.findings import Finding, Place
from umbel.k8s.operator.credentials import environment
from umbel.k8s.operator.shared_ray import plain_variables
from umbel.k8s.operator.world import Key, Raw, World
from umbel.nodes.storage.sealed_values import owner_of, sealed

SHOWN = "UMB-K712"


def secret_variables(world: World, namespace: str, spec: Mapping[str, Any]) -> dict[str, str]:
    """Those that come of Secrets. A container's own variable of the name wins."""
    plain = plain_variables(spec)
    found = environment(world, namespace, spec)
    return {name: value for name, value in found.items() if name not in plain}


def replica_variables(
    world: World, key: Key, plain: Mapping[str, str], secret: Mapping[str, str]
) -> dict[str, str]:
    """What the application of ``key`` is deployed with: no value of a Secret, where the operator
    has a key to seal them with."""
    if world.seal_keys is None:
        return {**secret, **plain}
    return {**plain, **sealed(secret, world.seal_keys, owner_of(key.namespace, key.name))}


def shown(world: World, raw: Raw) -> list[Finding]:
    """A warning where the dashboard shows the values of Secrets."""
    secret = secret_variables(world, raw["metadata"]["namespace"], raw.get("spec") or {})
    if world.seal_keys is not None or not secret:
        return []
    text = (
        f"the Secrets' values for {', '.join(sorted(secret))} are variables of the application, "
        "which Ray's dashboard shows in plain text"
    )
    fix = (
        "whoever runs the operator: `umbel k8s seal-key > keys`, start it with "
        "`--seal-key-file keys`, and give the Ray pods the same file"
    )
    return [Finding("warning", SHOWN, text, Place(), fix)]


class JoinedVariables:
    """Those of the services that run inside one application: a process has one set of them."""

    def __init__(self, world: World, key: Key) -> None:
        self._world, self._key = world, key
        self._taken: tuple[dict[str, str], dict[str, str]] | None = None

    def take(self, spec: Mapping[str, Any]) -> bool:
        """Whether a service may run with those before it: its variables are the same."""
        secret = secret_variables(self._world, self._key.namespace, spec)
        found = plain_variables(spec), secret
        if self._taken is None:
            self._taken = found
        return self._taken == found

    def of_application(self) -> dict[str, str]:
        """What the application is deployed with."""
        plain, secret = self._taken or ({}, {})
        return replica_variables(self._world, self._key, plain, secret)
