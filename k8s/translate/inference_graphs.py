"""InferenceGraph → graphs of messages: the router's nodes, each a graph of its own."""

from __future__ import annotations

from umbel.graph.implementations import RemoteService
from umbel.graph.ir import Graph, Node
from umbel.graph.options import NodeOptions
from umbel.graph.router_steps import (
    Merge,
    Part,
    PathExists,
    PredictionsToInstances,
    Route,
    Sequence,
    Service,
    Stage,
)
from umbel.graph.steps import (
    Call,
    Case,
    GraphName,
    Input,
    NodeName,
    Share,
    Split,
    Step,
    StepId,
    Switch,
)
from umbel.graph.value_types import Port, Signature, ValueType
from umbel.k8s.resources import InferenceGraphSpec, Resource
from umbel.k8s.resources.inference_graph import ROOT, GraphNode, GraphStep
from umbel.k8s.translate.names import Names, service_url

MESSAGE = ValueType("message")
BODY = StepId("request")
SIGNATURE = Signature((Port("request", MESSAGE),), (Port("output", MESSAGE),))

Resources = Resource[InferenceGraphSpec]


def translate_graph(
    resource: Resources, names: Names, headers: tuple[str, ...]
) -> tuple[Graph, ...]:
    """The graph of the root node first, then one for each other node."""
    nodes = resource.spec.nodes
    order = [ROOT, *(name for name in nodes if name != ROOT)]
    return tuple(_Node(resource, names, headers, name).graph() for name in order)


def node_graph(graph: GraphName, node: str) -> GraphName:
    """The name of the graph that one router node becomes."""
    return graph if node == ROOT else GraphName(f"{graph}/{node}")


class _Node:
    """One router node on its way to becoming a graph."""

    def __init__(
        self, resource: Resources, names: Names, headers: tuple[str, ...], name: str
    ) -> None:
        self.resource, self.names, self.headers, self.name = resource, names, headers, name
        self.node: GraphNode = resource.spec.nodes[name]
        self.place = resource.place("spec", "nodes", name)
        self.steps: list[Step] = [
            Input(id=BODY, port="request", type=MESSAGE, place=self.place)
        ]
        self.nodes: dict[NodeName, Node] = {}

    def graph(self) -> Graph:
        """The node as a graph whose only output is the reply."""
        build = {
            "Sequence": self._sequence,
            "Switch": self._switch,
            "Splitter": self._splitter,
            "Ensemble": self._ensemble,
        }[self.node.router_type]
        answer = build()
        self.steps.append(answer)
        settings: dict[str, object] = {"kserve": True}
        if self.resource.spec.timeout:
            settings["timeout_s"] = float(self.resource.spec.timeout)
        return Graph(
            name=node_graph(self.names.of(self.resource), self.name),
            nodes=self.nodes,
            steps=tuple(self.steps),
            outputs=(("output", answer.id),),
            signature=SIGNATURE,
            interface="message",
            settings=settings,
            place=self.place,
        )

    def _title(self, index: int) -> str:
        step = self.node.steps[index]
        return step.name or step.service_name or step.node_name or f"step-{index}"

    def _id(self, base: str) -> StepId:
        taken = {step.id for step in self.steps}
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        return StepId(name)

    def _add(self, step: Step) -> StepId:
        self.steps.append(step)
        return step.id

    def _sequence(self) -> Step:
        stages: list[Stage] = []
        previous: StepId | None = None
        for index, step in enumerate(self.node.steps):
            source = previous if previous is not None and step.data == "$response" else BODY
            if step.map_predictions_to_instances:
                mapped = self._id(f"{self._title(index)}.instances")
                source = self._add(PredictionsToInstances(id=mapped, source=source, type=MESSAGE))
            condition = None
            if step.condition:
                condition = self._exists(index, previous or BODY, strict=True)
            previous = self._target(index, source)
            hard = step.dependency == "Hard"
            stages.append(Stage(previous, condition, hard, self._title(index)))
        return Sequence(
            id=self._id("sequence"), stages=tuple(stages), type=MESSAGE, place=self.place
        )

    def _switch(self) -> Step:
        cases = tuple(
            Case(
                self._exists(index, BODY, strict=False),
                self._target(index, BODY),
                self._title(index),
            )
            for index in range(len(self.node.steps))
        )
        return Switch(id=self._id("switch"), cases=cases, type=MESSAGE, place=self.place)

    def _splitter(self) -> Step:
        shares = tuple(
            Share(step.weight or 0, self._target(index, BODY), self._title(index))
            for index, step in enumerate(self.node.steps)
        )
        return Split(id=self._id("splitter"), shares=shares, type=MESSAGE, place=self.place)

    def _ensemble(self) -> Step:
        parts = tuple(
            Part(step.name or str(index), self._target(index, BODY), step.dependency == "Hard")
            for index, step in enumerate(self.node.steps)
        )
        return Merge(id=self._id("ensemble"), parts=parts, type=MESSAGE, place=self.place)

    def _exists(self, index: int, source: StepId, *, strict: bool) -> StepId:
        return self._add(
            PathExists(
                id=self._id(f"{self._title(index)}.if"),
                source=source,
                path=self.node.steps[index].condition,
                strict=strict,
                place=self.resource.place("spec", "nodes", self.name, "steps", index),
            )
        )

    def _target(self, index: int, source: StepId) -> StepId:
        step = self.node.steps[index]
        place = self.resource.place("spec", "nodes", self.name, "steps", index)
        id_ = self._id(self._title(index))
        if step.node_name:
            graph = node_graph(self.names.of(self.resource), step.node_name)
            return self._add(Route(id=id_, graph=graph, source=source, type=MESSAGE, place=place))
        if step.service_name and not step.service_url:
            found = self.names.service(self.resource.namespace, step.service_name)
            if found is not None:
                graph, path = found
                return self._add(
                    Service(
                        id=id_,
                        graph=graph,
                        path=path,
                        source=source,
                        forward_headers=self.headers,
                        timeout_s=self._client_timeout(),
                        type=MESSAGE,
                        place=place,
                    )
                )
        node = self._remote(id_, step)
        self.nodes[node.name] = node
        return self._add(
            Call(id=id_, node=node.name, args=(("body", source),), type=MESSAGE, place=place)
        )

    def _client_timeout(self) -> float | None:
        timeouts = self.resource.spec.router_timeouts
        client = timeouts.service_client if timeouts else None
        return float(client) if client else None

    def _remote(self, name: StepId, step: GraphStep) -> Node:
        url = step.service_url or service_url(self.resource, step.service_name)
        return Node(
            NodeName(name),
            "service",
            RemoteService(url, self._client_timeout(), self.headers),
            Signature((Port("body", MESSAGE),), (Port("output", MESSAGE),)),
            NodeOptions(deterministic=False),
            self.place,
        )
