"""The whole of what ought to be, worked out from a snapshot and nothing else.

The same snapshot gives the same answer, so it does not matter which event woke the operator,
how many it missed, or where it was killed: the next pass goes on from what is there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from umbel.k8s.operator.fencing import fenced
from umbel.k8s.operator.graph_plan import plan_graph
from umbel.k8s.operator.grpc_front import grpc_front
from umbel.k8s.operator.model_plan import plan_model
from umbel.k8s.operator.outcome import Outcome
from umbel.k8s.operator.routing import as_config
from umbel.k8s.operator.service_plan import plan_service
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Raw, World, is_going


@dataclass(frozen=True)
class Desired:
    """``outcomes`` in a fixed order; ``applications`` are all of this operator's."""

    outcomes: tuple[Outcome, ...]
    applications: tuple[dict[str, Any], ...]

    @property
    def unsettled(self) -> bool:
        """True while something is on its way: it pays to look again soon."""
        return any(_on_its_way(one) for one in self.outcomes)

    def leaving(self, keys: Collection[Key], world: World) -> Desired:
        """The same, with what some resources have left as it is. Their records could not be
        written, which come first; other resources do not wait for that."""
        if not keys:
            return self
        mine = [one for one in self.applications if _owner(one) not in keys]
        for key in keys:
            live = [a for a in world.owned_by(key).values() if a.status != "DELETING"]
            mine += [as_config(app, app.route) for app in live]
        rest = tuple(one for one in self.outcomes if one.key not in keys)
        return Desired(rest, tuple(mine))


def desired(world: World, settings: OperatorSettings) -> Desired:
    """What every resource comes to."""
    services: dict[Key, Outcome] = {}
    for raw in _ordered(world.services, settings):
        services[Key.of(raw)] = fenced(
            world, raw, settings, partial(plan_service, world, raw, settings)
        )
    graphs = {Key.of(raw): raw for raw in _ordered(world.graphs, settings)}
    found = list(services.values())
    found += [
        fenced(world, raw, settings, partial(plan_graph, world, raw, settings, services, graphs))
        for raw in graphs.values()
    ]
    found += [
        fenced(world, raw, settings, partial(plan_model, world, raw, settings, services))
        for raw in _ordered(world.trained_models, settings)
    ]
    front = grpc_front(settings)
    own = () if front is None else (front,)
    return Desired(tuple(found), (*_applications(found), *own))


def _owner(application: Mapping[str, Any]) -> Key:
    return Key(*application["args"]["owner"]["resource"])


def _ordered(raws: tuple[Raw, ...], settings: OperatorSettings) -> Iterator[Raw]:
    """The older first: of two that want one path, it keeps it."""
    mine = [one for one in raws if settings.watches(one["metadata"].get("namespace", ""))]
    yield from sorted(
        mine, key=lambda one: (one["metadata"].get("creationTimestamp", ""), Key.of(one))
    )


def _applications(outcomes: list[Outcome]) -> Iterator[dict[str, Any]]:
    """Each path and each name once: Serve takes no configuration with a duplicate."""
    names: set[str] = set()
    routes: set[str] = set()
    for outcome in outcomes:
        for app in outcome.applications:
            name, route = str(app["name"]), app.get("route_prefix")
            if name in names:
                continue
            names.add(name)
            if route is not None and route in routes:
                app = {**app, "route_prefix": None}
            elif route is not None:
                routes.add(str(route))
            yield dict(app)


def _on_its_way(outcome: Outcome) -> bool:
    if is_going(outcome.raw):
        return outcome.held
    if outcome.unsettled:
        return True
    conditions = (outcome.status or {}).get("conditions") or ()
    ready: Raw = next((one for one in conditions if one["type"] == "Ready"), {})
    return ready.get("status") == "Unknown"
