"""A second, small reading of KServe's router: what a graph must answer and whom it must call.

Written from the description of the router's behaviour alone and independent of umbel's engine:
plain recursion over the YAML, with its own JSON and its own conditions (``oracle_values``).
It knows the services' behaviours and so needs no network.

Where the router's own answer depends on which of two services is quicker it raises
``Ambiguous``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import oracle_values
from service_server import Behaviour

NO_ROUTE = "None of the routes matched with the switch condition"


class Ambiguous(Exception):
    """The answer depends on timing."""


class Failure(Exception):
    """A Go error. ``cause`` is its text, ``None`` if only that it happened is known."""

    def __init__(self, cause: str | None, status: int = 500) -> None:
        super().__init__(cause, status)
        self.cause, self.status = cause, status


@dataclass(frozen=True)
class Answer:
    """What the client gets. ``cause`` is set for the router's own error replies."""

    status: int
    body: bytes = b""
    failed: bool = False
    cause: str | None = None

    @property
    def is_json(self) -> bool:
        return self.failed or oracle_values.is_json(self.body)


@dataclass
class Oracle:
    """``nodes`` as in ``spec.nodes``; a ``serviceUrl`` is a key of ``services``."""

    nodes: Mapping[str, Any]
    services: Mapping[str, Behaviour]
    calls: list[tuple[str, bytes]] = field(default_factory=list)

    def answer(self, body: bytes) -> Answer:
        """The reply to a request with ``body``; ``calls`` has the calls afterwards."""
        try:
            content, status = self._node("root", body)
        except Failure as failure:
            return Answer(failure.status, b"", True, failure.cause)
        return Answer(status, content)

    def _node(self, name: str, body: bytes) -> tuple[bytes, int]:
        node = self.nodes[name]
        route = {
            "Sequence": self._sequence,
            "Switch": self._switch,
            "Splitter": self._splitter,
            "Ensemble": self._ensemble,
        }[node["routerType"]]
        return route(node["steps"], body)

    def _step(self, step: Mapping[str, Any], body: bytes) -> tuple[bytes, int]:
        if "nodeName" not in step:
            return self._call(step["serviceUrl"], body)
        try:
            return self._node(step["nodeName"], body)
        except Failure as failure:  # whatever it was below: 500 above
            raise Failure(failure.cause) from failure

    def _call(self, service: str, body: bytes) -> tuple[bytes, int]:
        script = self.services.get(service)
        if script is None:
            raise Failure(None)  # nobody listens
        self.calls.append((service, body))
        if script.then != "reply":
            raise Failure(None)
        return (body if script.echo else script.body), script.status

    def _sequence(self, steps: list[Mapping[str, Any]], body: bytes) -> tuple[bytes, int]:
        last, status = b"", 0
        for number, step in enumerate(steps):
            request = last if number and step.get("data") == "$response" else body
            if step.get("mapPredictionsToInstances"):
                request = oracle_values.predictions_to_instances(request)
            if step.get("condition"):
                if number == 0 or not oracle_values.is_json(last):
                    raise Failure("invalid response")
                if not oracle_values.exists(json.loads(last), step["condition"]):
                    return last, 200
            last, status = self._step(step, request)
            if step.get("dependency") == "Hard" and not 200 <= status < 300:
                break
        return last, status

    def _switch(self, steps: list[Mapping[str, Any]], body: bytes) -> tuple[bytes, int]:
        if oracle_values.is_json(body):
            document = json.loads(body)
            for step in steps:
                if oracle_values.exists(document, step.get("condition", "")):
                    return self._step(step, body)
        raise Failure(NO_ROUTE, 404)

    def _splitter(self, steps: list[Mapping[str, Any]], body: bytes) -> tuple[bytes, int]:
        possible = [step for step in steps if step["weight"]]
        if len(possible) != 1:
            raise Ambiguous
        return self._step(possible[0], body)

    def _ensemble(self, steps: list[Mapping[str, Any]], body: bytes) -> tuple[bytes, int]:
        ends: list[tuple[dict[str, Any] | None, int] | Failure] = []
        for step in steps:  # every branch runs, whatever becomes of the others
            try:
                content, status = self._step(step, body)
                ends.append((oracle_values.json_object(content), status))
            except Failure as failure:
                ends.append(Failure(failure.cause))
            except ValueError:
                ends.append(Failure(None))
        return self._merged(steps, ends)

    def _merged(
        self,
        steps: list[Mapping[str, Any]],
        ends: list[tuple[dict[str, Any] | None, int] | Failure],
    ) -> tuple[bytes, int]:
        merged: dict[str, Any] = {}
        failures = [end for end in ends if isinstance(end, Failure)]
        for number, (step, end) in enumerate(zip(steps, ends, strict=True)):
            if isinstance(end, Failure):
                same = len({failure.cause for failure in failures}) == 1
                raise Failure(end.cause if same else None)
            value, status = end
            if step.get("dependency") == "Hard" and not 200 <= status < 300:
                if failures:
                    raise Ambiguous
                return oracle_values.go_json(value), status
            merged[step.get("name") or str(number)] = value
        return oracle_values.go_json(merged), 200
