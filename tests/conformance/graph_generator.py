"""Random graphs, services and requests, in the form of the case files."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import case_files
import oracle
from service_server import as_bytes

_DOCUMENTS: tuple[Any, ...] = (
    {},
    {"predictions": [1, 2.5, 1e30]},
    {"predictions": [{"label": "cat"}, {"label": "dog", "p": 0.9}]},
    {"predictions": "none"},
    {"predictions": []},
    {"instances": [[1, 2], [3, 4]], "modelId": "7"},
    {"instances": [{"modelId": "1"}, {"modelId": "2"}]},
    {"predictions": [True, None], "instances": [0], "extra": "<b>&"},
    {"kind": "cat", "n": 12345678901234567890, "deep": {"list": [1, {"x": None}]}},
    {"kind": "dog", "n": 0.0000001, "flag": False},
    {"predictions": [1], "instances": "no list"},
    [{"kind": "dog"}, {"kind": "cat"}],
    [1, "two", None],
    None,
    17,
    "text",
)
_BODIES: tuple[Any, ...] = (
    "", "not json", '{"broken": ', "{'single': 1}", {"hex": "00ff10"}, "[1, 2",
    " {\"kind\" : \"dog\"}\n", "<html><p>oops</p></html>",
)  # fmt: skip
_CONDITIONS = (
    "kind", "predictions", "predictions.0", "predictions.#", "predictions.5", "deep.list.1.x",
    'predictions.#(label=="dog")', 'predictions.#(label=="bird")', "predictions.#(p>0.5)",
    'predictions.#(label=="bird")#', 'instances.#(modelId=="2")', "instances.#.modelId",
    '[@this].#(kind=="dog")', '[@this].#(kind!="dog")', "[@this].#(n>1)", "@this", "flag",
    "[@this].#(flag==false)", "nothing.here",
)  # fmt: skip
_STATUSES = (200, 200, 200, 200, 201, 299, 300, 400, 404, 500, 503)
_ROUTERS = ("Sequence", "Sequence", "Sequence", "Switch", "Ensemble", "Splitter")
_DATA = ("$response", "$response", "$request", "$response.predictions")
_SERVICES = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Generated:
    """A case with what the oracle says of it."""

    case: case_files.Case
    oracle: oracle.Oracle
    answer: oracle.Answer


def generate(source: random.Random, name: str) -> Generated | None:
    """A case; ``None`` where its answer would depend on timing."""
    nodes = _nodes(source)
    services = {service: _service(source) for service in _SERVICES}
    body = _document(source)
    data = {
        "case": name, "nodes": nodes, "services": services, "request": {"body": body}, "reply": {},
    }  # fmt: skip
    case = case_files.make_case(data, "generated")
    reading = oracle.Oracle(nodes, case.services)
    try:
        answer = reading.answer(as_bytes(body))
    except oracle.Ambiguous:
        return None
    return Generated(case, reading, answer)


def _document(source: random.Random) -> Any:
    return source.choice(_BODIES) if source.random() < 0.2 else _as_text(source.choice(_DOCUMENTS))


def _as_text(value: Any) -> Any:
    """A JSON string has to be quoted: in the case files a text is a body as it is."""
    return f'"{value}"' if isinstance(value, str) else value


def _service(source: random.Random) -> dict[str, Any]:
    script: dict[str, Any] = {"status": source.choice(_STATUSES)}
    if source.random() < 0.2:
        script["echo"] = True
    else:
        script["body"] = _document(source)
    if source.random() < 0.05:
        script["then"] = "close"
    return script


def _nodes(source: random.Random) -> dict[str, Any]:
    """A node calls only later ones, so that there are no circles; all are reachable or not."""
    names = ["root", *(f"node{number}" for number in range(source.randrange(4)))]
    return {name: _node(source, names[number + 1 :]) for number, name in enumerate(names)}


def _node(source: random.Random, later: list[str]) -> dict[str, Any]:
    router = source.choice(_ROUTERS)
    steps = [_step(source, router, later, n) for n in range(source.randint(1, 3))]
    if router == "Splitter":
        for step in steps:
            step["weight"] = 0
        source.choice(steps)["weight"] = 100
    return {"routerType": router, "steps": steps}


def _step(source: random.Random, router: str, later: list[str], number: int) -> dict[str, Any]:
    step: dict[str, Any] = {}
    if source.random() < 0.7:
        step["name"] = f"step{number}"
    if later and source.random() < 0.5:
        step["nodeName"] = source.choice(later)
    else:
        step["serviceUrl"] = "dead" if source.random() < 0.04 else source.choice(_SERVICES)
    if source.random() < 0.5:
        step["data"] = source.choice(
            ("$response", "$response", "$request", "$response.predictions")
        )
    if source.random() < (0.8 if router == "Switch" else 0.3):
        step["condition"] = source.choice(_CONDITIONS)
    if source.random() < 0.4:
        step["dependency"] = source.choice(("Hard", "Hard", "Soft"))
    if source.random() < 0.2:
        step["mapPredictionsToInstances"] = True
    return step
