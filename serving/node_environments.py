"""Builds the environments that nodes ask for before their replicas start.

Ray installs a ``runtime_env`` with ``pip``, ``uv`` or ``conda`` when a process first needs it. A
replica that waits for it says nothing for minutes, and one whose environment cannot be built is
tried again and again. So each environment is built once beforehand, by a task that does nothing
else: Ray keeps it for the replicas on that machine.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping
from typing import Any

from umbel.graph.plan import Deployment, Plan
from umbel.serving.graph_host import GraphNotStarted

INSTALLERS = ("pip", "uv", "conda")
EVERY_S = 20.0
"""Seconds between two lines that say what is being waited for."""

_TAIL = 12
"""Lines of the installer's output that an error shows."""

_NOISE = re.compile(r"^(\[notice\]|Looking in (indexes|links)|WARNING: Location )")


def build(plan: Plan) -> None:
    """Build every environment of the plan's deployments, all at once, on the Ray that this
    process is connected to. Raises ``GraphNotStarted`` with the end of the installer's output."""
    wanted = environments(plan)
    if not wanted:
        return
    import ray

    task = ray.remote(num_cpus=0, max_retries=0)(_imports_umbel)
    started = {
        task.options(runtime_env=dict(one.options.env or {})).remote(): one for one in wanted
    }
    begun = time.monotonic()
    while started:
        done, _ = ray.wait(list(started), num_returns=1, timeout=EVERY_S)
        if not done:
            for one in started.values():
                took = time.monotonic() - begun
                sys.stderr.write(f"building {_shown(one)}: {took:.0f} s\n")
        for reference in done:
            one = started.pop(reference)
            try:
                ray.get(reference)
            except ray.exceptions.RayError as error:
                for other in started:
                    ray.cancel(other, force=True)
                raise GraphNotStarted(_failed(one, error)) from error


def environments(plan: Plan) -> list[Deployment]:
    """One deployment for each different environment that something is installed for."""
    found: dict[str, Deployment] = {}
    for one in plan.deployments:
        env = one.options.env or {}
        if any(name in env for name in INSTALLERS):
            found.setdefault(json.dumps(_plain(env), sort_keys=True, default=str), one)
    return list(found.values())


def reason(text: str) -> str:
    """What matters of Ray's error: the end of what the installer printed."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\\n", "\n")
    _, _, output = text.rpartition("lines of stdout:")
    lines = [line.rstrip() for line in (output or text).splitlines() if line.strip()]
    telling = [line.strip() for line in lines if not _NOISE.match(line.strip())]
    if not output:  # Ray's own words: what the agent said stands first
        telling = [line for line in telling if not line.startswith(("Traceback", "File "))]
    return "\n".join(f"  {line}" for line in telling[-_TAIL:])


def _imports_umbel() -> None:
    """Run in the environment: a node there needs umbel as well."""
    import umbel.nodes.loading  # noqa: F401


def _failed(one: Deployment, error: Any) -> str:
    text = str(getattr(error, "error_message", "") or error)
    said = reason(text)
    if "No module named 'umbel" in text:
        said += "\n  umbel has to be there too: add it to the environment's packages"
    if "conda" in (one.options.env or {}) and "Could not find Conda" in text:
        said = "  there is no conda on this machine: install it, or write pip= or uv= instead"
    return f"{_shown(one)} cannot be built:\n{said}"


def _shown(one: Deployment) -> str:
    env = one.options.env or {}
    (kind,) = [name for name in INSTALLERS if name in env][:1]
    packages = env[kind]
    if isinstance(packages, Mapping):
        packages = packages.get("packages") or packages.get("dependencies") or packages
    listed = " ".join(map(str, packages)) if isinstance(packages, (list, tuple)) else str(packages)
    nodes = ", ".join(repr(str(node)) for node in one.nodes)
    return f"the environment of node {nodes} ({kind}: {listed[:200]})"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
