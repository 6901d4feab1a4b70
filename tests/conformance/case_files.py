"""The cases as data: ``router/*.yaml`` and ``data_plane/*.yaml``.

A case is a graph (``nodes``, or whole ``resources``), the behaviours of its ``services``, and
one or several ``tries``: a request, the reply it must get, the calls that must be made. In a
graph, a ``serviceUrl`` that is a service's name means that service; ``dead`` is an address where
nobody listens. ``@CASE`` in resources and requests is the case's own name.

``propagate`` holds the header patterns of the router's ConfigMap.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from service_server import Behaviour, as_bytes, behaviour

HERE = Path(__file__).parent
DEAD = "http://127.0.0.1:1/dead"
"""Port 1: nobody listens there."""

SERVING = "serving.kserve.io"


@dataclass(frozen=True)
class Request:
    """What the client sends. ``path`` is below the graph's root."""

    method: str = "POST"
    path: str = ""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    body: bytes = b"{}"


@dataclass(frozen=True)
class Try:
    """One request of a case, with what must come of it. ``number`` counts within the case."""

    case: Case
    number: int
    request: Request
    reply: Mapping[str, Any]
    calls: list[Any] | None
    to: str
    any_order: bool = False

    @property
    def id(self) -> str:
        return f"{self.case.name}-{self.number}"


@dataclass(frozen=True)
class Case:
    """One graph with its services."""

    name: str
    resources: tuple[Mapping[str, Any], ...]
    services: Mapping[str, Behaviour]
    propagate: tuple[str, ...] = ()
    tries: list[Try] = field(default_factory=list, compare=False)

    def manifests(self, services_url: str) -> str:
        """The documents of the case, with the services at ``services_url``. As JSON, which is
        YAML too and leaves no doubt about a step called ``y``."""
        texts = [json.dumps(one, ensure_ascii=False, indent=1) for one in self.resources]
        return (
            "\n---\n".join(texts)
            .replace("@HTTP", f"{services_url}/{self.name}")
            .replace("@CASE", self.name)
        )


def cases(folder: str) -> list[Case]:
    """All cases of a folder, in the order of its files."""
    found = [made for file in sorted((HERE / folder).glob("*.yaml")) for made in _cases_of(file)]
    names = [case.name for case in found]
    assert found, folder
    assert len(names) == len(set(names)), "two cases have one name"
    return found


def tries(folder: str) -> list[Try]:
    """All tries of a folder."""
    return [one for case in cases(folder) for one in case.tries]


def by_patterns(some: list[Case]) -> dict[tuple[str, ...], list[Case]]:
    """Cases that may stand in one file: the ConfigMap's patterns hold for a whole file."""
    groups: dict[tuple[str, ...], list[Case]] = {(): []}
    for case in some:
        groups.setdefault(case.propagate, []).append(case)
    return {patterns: group for patterns, group in groups.items() if group}


def manifests(some: list[Case], services_url: str) -> str:
    """One YAML file for cases with the same patterns, with their ConfigMap."""
    (patterns,) = by_patterns(some)
    texts = [case.manifests(services_url) for case in some]
    if patterns:
        router = json.dumps({"headers": {"propagate": list(patterns)}})
        config = {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "inferenceservice-config", "namespace": "kserve"},
            "data": {"router": router},
        }  # fmt: skip
        texts.append(json.dumps(config))
    return "\n---\n".join(texts)


def _cases_of(file: Path) -> Iterator[Case]:
    for data in yaml.safe_load(file.read_text()):
        yield make_case(data, file.stem)


def make_case(data: Mapping[str, Any], stem: str) -> Case:
    """A case from its data."""
    known = {
        "case", "says", "nodes", "spec", "annotations", "resources", "services", "propagate",
        "tries", "request", "reply", "calls", "to", "any_order",
    }  # fmt: skip
    assert not set(data) - known, f"{data['case']}: {set(data) - known}"
    services = {name: behaviour(script or {}) for name, script in data.get("services", {}).items()}
    resources = list(data.get("resources", ()))
    if "nodes" in data:
        resources.insert(0, _graph(data, services))
    case = Case(
        f"{stem}-{data['case']}", tuple(resources), services, tuple(data.get("propagate", ()))
    )
    for number, one in enumerate(data.get("tries", [data])):
        case.tries.append(_try(case, number, {**data, **one}))
    return case


def _graph(data: Mapping[str, Any], services: Mapping[str, Behaviour]) -> dict[str, Any]:
    nodes = json.loads(json.dumps(data["nodes"]))
    for node in nodes.values():
        for step in node["steps"]:
            url = step.get("serviceUrl")
            if url == "dead":
                step["serviceUrl"] = DEAD
            elif url in services:
                step["serviceUrl"] = f"@HTTP/{url}"
    return {
        "apiVersion": f"{SERVING}/v1alpha1",
        "kind": "InferenceGraph",
        "metadata": {"name": "@CASE", "annotations": data.get("annotations", {})},
        "spec": {"nodes": nodes, **data.get("spec", {})},
    }


def _try(case: Case, number: int, data: Mapping[str, Any]) -> Try:
    asked = dict(data.get("request", {}))
    headers = asked.pop("headers", {})
    pairs = list(headers.items()) if isinstance(headers, Mapping) else [tuple(h) for h in headers]
    if not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.insert(0, ("Content-Type", "application/json"))
    if "body" in asked:
        asked["body"] = as_bytes(asked["body"]).replace(b"@CASE", case.name.encode())
    if "path" in asked:
        asked["path"] = asked["path"].replace("@CASE", case.name)
    to = data.get("to", "@CASE").replace("@CASE", case.name)
    request = Request(headers=tuple(pairs), **asked)
    calls = data.get("calls")
    return Try(case, number, request, data["reply"], calls, to, data.get("any_order", False))
