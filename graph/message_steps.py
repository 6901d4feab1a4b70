"""Steps on HTTP messages that KServe's router does not have: umbel's extensions to graphs from
YAML. They are only in a graph whose annotations ask for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from umbel.graph.steps import Step, StepId


@dataclass(frozen=True, kw_only=True)
class Shadow(Step):
    """Starts ``value`` in the background for ``percent`` of the requests and yields nothing.

    Nobody waits for it, and neither its reply nor its failure matters. ``condition``, if there
    is one, is evaluated in the background too.
    """

    value: StepId
    condition: StepId | None = None
    percent: int = 100

    def reads(self) -> tuple[StepId, ...]:
        return (self.value,) if self.condition is None else (self.condition, self.value)

    def always_reads(self) -> tuple[StepId, ...]:
        return ()


@dataclass(frozen=True)
class Pick:
    """A part of a message's JSON body by gjson ``path``; the whole body without one."""

    source: StepId
    path: str = ""


@dataclass(frozen=True)
class Hole:
    """In a template: where the pick with this number goes."""

    pick: int


@dataclass(frozen=True, kw_only=True)
class Compose(Step):
    """A JSON body made of other messages' parts.

    ``template`` is JSON-like with ``Hole``s. A key whose pick finds nothing is left out; in a
    list it is null. With ``answer`` the step runs after it and looks only at what has run by
    then; an answer outside 2xx is passed on as it is.
    """

    template: object
    picks: tuple[Pick, ...]
    answer: StepId | None = None

    def reads(self) -> tuple[StepId, ...]:
        sources = tuple(dict.fromkeys(pick.source for pick in self.picks))
        return sources if self.answer is None else (self.answer, *sources)

    def always_reads(self) -> tuple[StepId, ...]:
        return self.reads() if self.answer is None else (self.answer,)


@dataclass(frozen=True, kw_only=True)
class Note(Step):
    """Passes ``source`` on and notes it, as ``name``, for the ``Report`` around it."""

    source: StepId
    name: str

    def reads(self) -> tuple[StepId, ...]:
        return (self.source,)


@dataclass(frozen=True, kw_only=True)
class Report(Step):
    """``{"output": the answer, "steps": {name: {"status", "body"}}}`` with all that was noted
    while ``answer`` ran. ``on_request``: only for requests with the header ``umbel-steps``."""

    answer: StepId
    on_request: bool = False

    def reads(self) -> tuple[StepId, ...]:
        return (self.answer,)

    def always_reads(self) -> tuple[StepId, ...]:
        return ()


@dataclass(frozen=True)
class Feed:
    """The input ``name`` is fed by the output ``source``: its name, its position, or, if it is
    ``None``, the output of the same name or else at the same position."""

    name: str
    source: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class ToV2(Step):
    """A V1 or V2 body (request or reply) as a V2 request. Without ``feeds`` every tensor is
    passed on under its own name."""

    source: StepId
    feeds: tuple[Feed, ...] = ()
    from_client: bool = False

    def reads(self) -> tuple[StepId, ...]:
        return (self.source,)


@dataclass(frozen=True, kw_only=True)
class ToV1(Step):
    """A V1 or V2 body (request or reply) as ``{"instances": [...]}``. With ``feeds``, or
    several tensors, each instance is an object by input name."""

    source: StepId
    feeds: tuple[Feed, ...] = ()
    from_client: bool = False

    def reads(self) -> tuple[StepId, ...]:
        return (self.source,)
