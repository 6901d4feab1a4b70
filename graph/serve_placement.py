"""What a replica reserves and where it may run → Ray Serve's words for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.graph.reservations import LEAST_CPUS, Reservation

_ON_EVERY_MACHINE = "node:__internal_implicit_resource_"
"""Ray takes every machine to have 1 of any resource that begins so: Serve's own
``max_replicas_per_node`` is built of it."""


def deployment_options(
    reserved: Reservation, env: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Options of a Serve deployment. ``env``: the ``runtime_env`` of its replicas."""
    options: dict[str, Any] = {"ray_actor_options": actor_options(reserved, env)}
    if reserved.placement.per_machine:
        options["max_replicas_per_node"] = reserved.placement.per_machine
    return options


def actor_options(reserved: Reservation, env: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Options of one replica."""
    resources, placement = reserved.resources, reserved.placement
    custom = dict(resources.custom)
    if placement.apart:
        custom[f"{_ON_EVERY_MACHINE}umbel:{placement.apart}"] = 1
    wanted: dict[str, Any] = {
        "num_cpus": LEAST_CPUS if resources.cpus is None else resources.cpus,
        "num_gpus": resources.gpus,
        "memory": resources.memory,
        "accelerator_type": resources.accelerator,
        "resources": custom,
        "label_selector": dict(placement.labels),
        "runtime_env": dict(env or {}),
    }
    return {name: value for name, value in wanted.items() if value or name == "num_cpus"}
