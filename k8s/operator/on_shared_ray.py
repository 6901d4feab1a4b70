"""Everything that is told of a service because its Ray cluster is not its own."""

from __future__ import annotations

from collections.abc import Iterable

from umbel.graph.findings import Finding
from umbel.k8s.operator.grpc_front import no_front
from umbel.k8s.operator.replica_variables import shown
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.shared_limits import limits
from umbel.k8s.operator.shared_ray import left_out
from umbel.k8s.operator.world import Raw, World


def findings_on_shared_ray(
    world: World, raw: Raw, models: Iterable[Raw], settings: OperatorSettings
) -> tuple[Finding, ...]:
    """Errors and warnings; none with a cluster of its own."""
    if settings.target != "ray":
        return ()
    return (
        *limits(raw, models, settings),
        *left_out(raw),
        *no_front(settings, raw),
        *shown(world, raw),
    )
