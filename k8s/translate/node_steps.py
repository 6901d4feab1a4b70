"""The steps that one router node becomes, while they are collected, and what annotations add to
them: bodies made of parts, conversions, mirrors, composed replies, reports."""

from __future__ import annotations

from umbel.graph.message_steps import Compose, Note, Pick, Report, Shadow, ToV1, ToV2
from umbel.graph.router_steps import Sequence, Stage
from umbel.graph.steps import Input, Step, StepId
from umbel.graph.value_types import ValueType
from umbel.k8s.resources import InferenceGraphSpec, Resource
from umbel.k8s.resources.inference_graph import ROOT, GraphNode
from umbel.k8s.translate.extensions import Extensions, StepExtension, Template
from umbel.k8s.translate.extensions.extension import REQUEST
from umbel.k8s.translate.extensions.step_names import title

MESSAGE = ValueType("message")
BODY = StepId("request")

_NOTHING = StepExtension()


class NodeSteps:
    """Steps with unique ids, the node's input first. ``replies`` are the steps that have the
    replies of the router's steps, by their numbers."""

    def __init__(
        self, resource: Resource[InferenceGraphSpec], extensions: Extensions, name: str
    ) -> None:
        self.resource, self.extensions, self.name = resource, extensions, name
        self.node: GraphNode = resource.spec.nodes[name]
        self.place = resource.place("spec", "nodes", name)
        self.steps: list[Step] = [Input(id=BODY, port="request", type=MESSAGE, place=self.place)]
        self.replies: dict[int, StepId] = {}

    def title(self, index: int) -> str:
        """What a router step is called."""
        return title(self.node.steps[index], index)

    def fresh(self, base: str) -> StepId:
        """An id that no step has yet."""
        taken = {step.id for step in self.steps}
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        return StepId(name)

    def add(self, step: Step) -> StepId:
        """Append a step."""
        self.steps.append(step)
        return step.id

    def asked(self, index: int) -> StepExtension:
        """What annotations ask of a router step."""
        return self.extensions.steps.get((self.name, index), _NOTHING)

    def live(self) -> list[int]:
        """The numbers of the router steps that are no mirrors."""
        count = range(len(self.node.steps))
        return [index for index in count if self.asked(index).mirror is None]

    def mirrors(self) -> list[int]:
        """The numbers of the router steps that are mirrors."""
        count = range(len(self.node.steps))
        return [index for index in count if self.asked(index).mirror is not None]

    def body(self, index: int, source: StepId) -> StepId:
        """What a router step is sent when it would get ``source``."""
        asked = self.asked(index)
        if asked.inputs is not None:
            source = self._composed(f"{self.title(index)}.body", asked.inputs, None)
        if asked.edge is None:
            return source
        kind = ToV1 if asked.edge.protocol == "v1" else ToV2
        return self.add(
            kind(
                id=self.fresh(f"{self.title(index)}.{asked.edge.protocol}"),
                source=source,
                feeds=asked.edge.feeds,
                from_client=source == BODY and self.name == ROOT,
                type=MESSAGE,
            )
        )

    def noted(self, index: int, reply: StepId) -> StepId:
        """``reply``, and written down if the graph reports its steps' replies."""
        if self.extensions.reporting == "never" or self.asked(index).mirror is not None:
            return reply
        name = self.title(index)
        return self.add(
            Note(
                id=self.fresh(f"{name}.noted"),
                source=reply,
                name=name if self.name == ROOT else f"{self.name}.{name}",
                type=MESSAGE,
            )
        )

    def shadow(self, index: int, value: StepId, condition: StepId | None) -> Stage:
        """A stage that starts ``value`` in the background."""
        name = self.title(index)
        step = Shadow(
            id=self.fresh(f"{name}.mirror"),
            value=value,
            condition=condition,
            percent=self.asked(index).mirror or 0,
            place=self.place,
        )
        return Stage(self.add(step), name=name, shadow=True)

    def answered(self, answer: StepId, shadows: list[Stage]) -> StepId:
        """The node's reply: ``answer`` with mirrors beside it, and what it is made into."""
        if shadows:
            stages = (*shadows, Stage(answer))
            step = Sequence(id=self.fresh("mirrored"), stages=stages, type=MESSAGE)
            answer = self.add(step)
        template = self.extensions.outputs.get(self.name)
        if template is not None:
            answer = self._composed("output", template, answer)
        if self.name == ROOT and self.extensions.reporting != "never":
            answer = self.add(
                Report(
                    id=self.fresh("report"),
                    answer=answer,
                    on_request=self.extensions.reporting == "on-request",
                    type=MESSAGE,
                )
            )
        return answer

    def _composed(self, name: str, template: Template, answer: StepId | None) -> StepId:
        picks = tuple(
            Pick(BODY if number == REQUEST else self.replies[number], path)
            for number, path in template.references
        )
        return self.add(
            Compose(
                id=self.fresh(name),
                template=template.shape,
                picks=picks,
                answer=answer,
                type=MESSAGE,
                place=self.place,
            )
        )
