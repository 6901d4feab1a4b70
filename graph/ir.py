"""The intermediate form: what the Python DSL and the YAML loader both give.

A ``Program`` is a closed set of graphs. A ``Graph`` is a tuple of steps over named nodes. A
``Node`` is code with its options: it exists once in a graph, however often it is called.
Everything is frozen; checks read it, the planner rewrites it into a ``Plan``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from umbel.graph.findings import Place
from umbel.graph.implementations import Implementation
from umbel.graph.options import NodeOptions
from umbel.graph.router_steps import Predict, Route, Service
from umbel.graph.steps import Explain, GraphName, NodeName, Step, StepId, Subgraph
from umbel.graph.value_types import Signature

NodeKind = Literal["transformer", "predictor", "explainer", "service"]

Interface = Literal["tensors", "payload", "message", "models", "http"]
"""How a graph meets the wire. ``tensors``: typed values by the signature, over V1 and V2.
``payload``: the whole V1 or V2 document as one dict, as KServe hands it to a model class.
``message``: the raw body in, a body with its status out (a KServe InferenceGraph).
``models``: many models, each over V1 and V2 under its own name (a pool of models).
``http``: every request goes on to a server of its own, whatever its path."""


@dataclass(frozen=True)
class Node:
    """Code with options. ``signature`` comes from the code's own annotations."""

    name: NodeName
    kind: NodeKind
    code: Implementation
    signature: Signature
    options: NodeOptions = NodeOptions()
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class Graph:
    """One graph. ``outputs`` pairs names with steps; a single unnamed result is ``output``.

    ``explainer`` names the graph that answers ``:explain``. ``model_name`` is the model's
    name in V1 and V2 paths when it differs from ``name``. ``components``: host name → graph, for
    servers beside the graph that call a part of it: it answers under that host, and below
    ``/components/HOST``.
    """

    name: GraphName
    nodes: Mapping[NodeName, Node]
    steps: tuple[Step, ...]
    outputs: tuple[tuple[str, StepId], ...]
    signature: Signature
    interface: Interface = "tensors"
    explainer: GraphName | None = None
    components: Mapping[str, GraphName] = field(default_factory=dict)
    model_name: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    example: object = None
    doc: str = ""
    place: Place = field(default=Place(), compare=False)

    @property
    def served_as(self) -> str:
        """The model name in V1 and V2 paths."""
        return self.model_name or self.name


@dataclass(frozen=True)
class Program:
    """Graphs that belong together. ``served`` names those that get an endpoint; the others
    are only called by them."""

    graphs: Mapping[GraphName, Graph]
    served: tuple[GraphName, ...]

    def __iter__(self) -> Iterator[Graph]:
        return iter(self.graphs.values())

    def only(self, name: GraphName) -> Program:
        """The program that serves just ``name``, with all graphs it needs."""
        needed: list[GraphName] = []
        queue = [name]
        while queue:
            current = queue.pop()
            if current in needed or current not in self.graphs:
                continue
            needed.append(current)
            queue += callees(self.graphs[current])
        return Program({n: g for n, g in self.graphs.items() if n in needed}, (name,))


def called_graphs(graph: Graph) -> list[GraphName]:
    """The graphs that the steps of ``graph`` call."""
    kinds = (Subgraph, Route, Service, Predict, Explain)
    return [s.graph for s in graph.steps if isinstance(s, kinds) and s.graph]


def callees(graph: Graph) -> list[GraphName]:
    """The graphs that ``graph`` calls, the one that explains it, and its components."""
    explainer = [graph.explainer] if graph.explainer else []
    return [*called_graphs(graph), *explainer, *graph.components.values()]
