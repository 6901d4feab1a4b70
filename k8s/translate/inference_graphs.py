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
    NodeName,
    Share,
    Split,
    Step,
    StepId,
    Switch,
)
from umbel.graph.value_types import Port, Signature
from umbel.k8s.resources import InferenceGraphSpec, Resource
from umbel.k8s.resources.inference_graph import ROOT, GraphStep
from umbel.k8s.translate.extensions import Extensions, StepExtension
from umbel.k8s.translate.names import Names
from umbel.k8s.translate.node_steps import BODY, MESSAGE, NodeSteps
from umbel.k8s.translate.scaling import scale_of

SIGNATURE = Signature((Port("request", MESSAGE),), (Port("output", MESSAGE),))

Resources = Resource[InferenceGraphSpec]

PLAIN = Extensions()
"""KServe's own behaviour and no more."""


def translate_graph(
    resource: Resources,
    names: Names,
    headers: tuple[str, ...],
    extensions: Extensions = PLAIN,
) -> tuple[Graph, ...]:
    """The graph of the root node first, then one for each other node. ``headers`` are the
    ConfigMap's rules."""
    nodes = resource.spec.nodes
    order = [ROOT, *(name for name in nodes if name != ROOT)]
    rules = headers if extensions.headers is None else extensions.headers
    return tuple(_Node(resource, names, rules, extensions, name).graph() for name in order)


def node_graph(graph: GraphName, node: str) -> GraphName:
    """The name of the graph that one router node becomes."""
    return graph if node == ROOT else GraphName(f"{graph}/{node}")


class _Node(NodeSteps):
    """One router node on its way to becoming a graph."""

    def __init__(
        self,
        resource: Resources,
        names: Names,
        headers: tuple[str, ...],
        extensions: Extensions,
        name: str,
    ) -> None:
        super().__init__(resource, extensions, name)
        self.names, self.headers = names, headers
        self.nodes: dict[NodeName, Node] = {}

    def graph(self) -> Graph:
        """The node as a graph whose only output is the reply."""
        build = {
            "Sequence": self._sequence,
            "Switch": self._switch,
            "Splitter": self._splitter,
            "Ensemble": self._ensemble,
        }[self.node.router_type]
        shadows = [] if self.node.router_type == "Sequence" else self._shadows()
        answer = self.answered(self.add(build()), shadows)
        settings: dict[str, object] = {"kserve": True}
        if self.resource.spec.timeout:
            settings["timeout_s"] = float(self.resource.spec.timeout)
        scale = scale_of(self.resource.spec) if self.name == ROOT else None
        if scale is not None:
            settings["scale"] = scale
        return Graph(
            name=node_graph(self.names.of(self.resource), self.name),
            nodes=self.nodes,
            steps=tuple(self.steps),
            outputs=(("output", answer),),
            signature=SIGNATURE,
            interface="message",
            settings=settings,
            place=self.place,
        )

    def _shadows(self) -> list[Stage]:
        """The mirrors of a node whose steps all get the node's input; a Switch's only where
        their condition holds."""
        stages = []
        for index in self.mirrors():
            has_condition = self.node.router_type == "Switch" and self.node.steps[index].condition
            condition = self._exists(index, BODY, strict=False) if has_condition else None
            stages.append(self.shadow(index, self._target(index, BODY), condition))
        return stages

    def _sequence(self) -> Step:
        stages: list[Stage] = []
        previous: StepId | None = None
        for index, step in enumerate(self.node.steps):
            source = previous if previous is not None and step.data == "$response" else BODY
            if step.map_predictions_to_instances and not self.asked(index).inputs:
                mapped = self.fresh(f"{self.title(index)}.instances")
                source = self.add(PredictionsToInstances(id=mapped, source=source, type=MESSAGE))
            condition = None
            if step.condition:
                condition = self._exists(index, previous or BODY, strict=True)
            if self.asked(index).mirror is not None:
                stages.append(self.shadow(index, self._target(index, source), condition))
                continue
            previous = self._target(index, source)
            hard = step.dependency == "Hard"
            stages.append(Stage(previous, condition, hard, self.title(index)))
        return Sequence(
            id=self.fresh("sequence"), stages=tuple(stages), type=MESSAGE, place=self.place
        )

    def _switch(self) -> Step:
        cases = tuple(
            Case(
                self._exists(index, BODY, strict=False),
                self._target(index, BODY),
                self.title(index),
            )
            for index in self.live()
        )
        return Switch(id=self.fresh("switch"), cases=cases, type=MESSAGE, place=self.place)

    def _splitter(self) -> Step:
        shares = tuple(
            Share(self.node.steps[index].weight or 0, self._target(index, BODY), self.title(index))
            for index in self.live()
        )
        return Split(id=self.fresh("splitter"), shares=shares, type=MESSAGE, place=self.place)

    def _ensemble(self) -> Step:
        parts = tuple(
            Part(
                self.node.steps[index].name or str(number),
                self._target(index, BODY),
                self.node.steps[index].dependency == "Hard",
            )
            for number, index in enumerate(self.live())
        )
        return Merge(id=self.fresh("ensemble"), parts=parts, type=MESSAGE, place=self.place)

    def _exists(self, index: int, source: StepId, *, strict: bool) -> StepId:
        return self.add(
            PathExists(
                id=self.fresh(f"{self.title(index)}.if"),
                source=source,
                path=self.node.steps[index].condition,
                strict=strict,
                place=self.resource.place("spec", "nodes", self.name, "steps", index),
            )
        )

    def _target(self, index: int, source: StepId) -> StepId:
        """The step that has the reply of a router step when that gets ``source``."""
        reply = self.noted(index, self._call(index, self.body(index, source)))
        self.replies[index] = reply
        return reply

    def _call(self, index: int, source: StepId) -> StepId:
        step, asked = self.node.steps[index], self.asked(index)
        place = self.resource.place("spec", "nodes", self.name, "steps", index)
        id_ = self.fresh(self.title(index))
        if step.node_name:
            graph = node_graph(self.names.of(self.resource), step.node_name)
            return self.add(Route(id=id_, graph=graph, source=source, type=MESSAGE, place=place))
        if step.service_name and not step.service_url:
            protocol = asked.edge.protocol if asked.edge else ""
            found = self.names.service(self.resource.namespace, step.service_name, protocol)
            if found is not None:
                graph, path = found
                return self.add(
                    Service(
                        id=id_,
                        graph=graph,
                        path=path,
                        source=source,
                        forward_headers=self.headers,
                        timeout_s=self._client_timeout(),
                        retry=asked.retry,
                        type=MESSAGE,
                        place=place,
                    )
                )
        node = self._remote(id_, step, asked)
        self.nodes[node.name] = node
        return self.add(
            Call(id=id_, node=node.name, args=(("body", source),), type=MESSAGE, place=place)
        )

    def _client_timeout(self) -> float | None:
        timeouts = self.resource.spec.router_timeouts
        client = timeouts.service_client if timeouts else None
        return float(client) if client else None

    def _remote(self, name: StepId, step: GraphStep, asked: StepExtension) -> Node:
        protocol = asked.edge.protocol if asked.edge else ""
        url = step.service_url or self.names.service_url(self.resource, step.service_name, protocol)
        return Node(
            NodeName(name),
            "service",
            RemoteService(url, self._client_timeout(), self.headers),
            Signature((Port("body", MESSAGE),), (Port("output", MESSAGE),)),
            NodeOptions(deterministic=False, retries=asked.retry or 0),
            self.place,
        )
