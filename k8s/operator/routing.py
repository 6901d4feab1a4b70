"""Which applications a resource has now, and which one holds its route.

An application is brought up beside the one that answers and takes the route once it runs. The
other stays a moment, until the proxies know, and goes. So nothing is ever restarted in place,
and whatever fails to start never gets a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from umbel.k8s.operator.world import Raw, ServeApplication, World


@dataclass(frozen=True)
class Routed:
    """``applications`` to deploy, each with its route; ``holder`` is the one that has the
    route, or gets it, among them; empty while none can."""

    applications: tuple[dict[str, Any], ...]
    holder: str


def holder_of(observed: Mapping[str, ServeApplication], route: str) -> ServeApplication | None:
    """The application that has the route now."""
    return next((app for app in observed.values() if app.route == route), None)


def routed(
    world: World,
    observed: Mapping[str, ServeApplication],
    wanted: Iterable[Mapping[str, Any]],
    target: Mapping[str, Any],
    route: str,
    linger_s: float,
    *,
    early: bool = False,
) -> Routed:
    """``wanted`` are all applications the resource needs, ``target`` the one of them that
    should have the route; ``observed`` those it has. The first gets it once it runs, or with
    ``early`` at once: a proxy that knows a path holds its requests, and fails them with a 503
    if the application does not start. Without one they are a plain 404."""
    plan = {str(app["name"]): {**app, "route_prefix": app.get("route_prefix")} for app in wanted}
    plan[target["name"]] = {**target, "route_prefix": None}
    current = holder_of(observed, route)
    there = observed.get(str(target["name"]))
    ready = there is not None and there.runs
    holder = str(target["name"])
    if current is not None and current.name != holder and not ready:
        holder = current.name
    if current is None and not ready and not early:
        holder = ""
    for app in _staying(world, observed, route, linger_s, holder):
        plan.setdefault(app.name, as_config(app, None))
        for name in app.owner.shares:  # what a front that still answers needs
            if name in observed:
                plan.setdefault(name, as_config(observed[name], None))
    if holder:
        plan[holder]["route_prefix"] = route
    return Routed(tuple(plan[name] for name in sorted(plan)), holder)


def _staying(
    world: World,
    observed: Mapping[str, ServeApplication],
    route: str,
    linger_s: float,
    holder: str,
) -> Iterable[ServeApplication]:
    settled = world.settled.get(holder, 0.0) >= linger_s
    current = holder_of(observed, route)
    moving = current is None or current.name != holder
    for app in observed.values():
        if app.name == holder or app.route == route or (app.runs and (moving or not settled)):
            yield app


def as_config(app: ServeApplication, route: str | None) -> dict[str, Any]:
    """An observed application as it would be deployed again."""
    return {**app.config, "name": app.name, "route_prefix": route}


def route_changes(configs: Iterable[Raw], observed: Mapping[str, ServeApplication]) -> bool:
    """True if what is deployed differs from ``configs`` in names or routes. Names hold a digest
    of all else."""
    wanted = {str(one["name"]): one.get("route_prefix") for one in configs}
    return wanted != {app.name: app.route for app in observed.values()}
