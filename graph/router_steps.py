"""Steps on whole HTTP messages: what KServe's InferenceGraph router does with bodies.

They stand beside the typed steps of ``umbel.graph.steps`` and run on the same engine. A
*message* is a body with its HTTP status; it is passed on byte for byte unless a step says
otherwise. Semantics are those of KServe 0.20's router.
"""

from __future__ import annotations

from dataclasses import dataclass

from umbel.graph.options import Retry
from umbel.graph.steps import GraphName, Step, StepId


@dataclass(frozen=True, kw_only=True)
class PredictionsToInstances(Step):
    """``mapPredictionsToInstances``: a body with a non-empty list ``predictions`` becomes
    ``{"instances": predictions}``; any other body stays as it is."""

    source: StepId

    def reads(self) -> tuple[StepId, ...]:
        return (self.source,)


@dataclass(frozen=True, kw_only=True)
class PathExists(Step):
    """True if the gjson ``path`` resolves to anything in the body (also null, false, 0, "").

    ``strict``: a body that is not JSON is an error rather than False.
    """

    source: StepId
    path: str
    strict: bool = False

    def reads(self) -> tuple[StepId, ...]:
        return (self.source,)


@dataclass(frozen=True)
class Stage:
    """One step of a sequence. ``condition`` decides whether it runs at all; without, it runs.
    ``hard``: a reply outside 2xx ends the sequence. ``shadow``: ``value`` is a ``Shadow``,
    which is started and has no reply."""

    value: StepId
    condition: StepId | None = None
    hard: bool = False
    name: str = ""
    shadow: bool = False


@dataclass(frozen=True, kw_only=True)
class Sequence(Step):
    """Stages one after the other; yields the last reply. An unmet condition ends the sequence
    with the previous reply and status 200. A first stage's condition has no reply to look at
    and is an error when the request arrives."""

    stages: tuple[Stage, ...]

    def reads(self) -> tuple[StepId, ...]:
        refs: list[StepId] = []
        for stage in self.stages:
            refs += [ref for ref in (stage.condition, stage.value) if ref is not None]
        return tuple(refs)

    def always_reads(self) -> tuple[StepId, ...]:
        return ()


@dataclass(frozen=True)
class Part:
    """One branch of a merged reply, under the key ``name``. ``hard``: a reply outside 2xx is
    the whole answer."""

    name: str
    value: StepId
    hard: bool = False


@dataclass(frozen=True, kw_only=True)
class Merge(Step):
    """KServe's Ensemble: all branches at once, every reply a JSON object, merged by key."""

    parts: tuple[Part, ...]

    def reads(self) -> tuple[StepId, ...]:
        return tuple(part.value for part in self.parts)

    def always_reads(self) -> tuple[StepId, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class Route(Step):
    """A call of another router node of the same graph. Its failures, a switch without a
    match included, are failures of the caller."""

    graph: GraphName
    source: StepId

    def reads(self) -> tuple[StepId, ...]:
        return (self.source,)


@dataclass(frozen=True, kw_only=True)
class Service(Step):
    """A call of another graph or InferenceService of the program as a client would make it,
    without HTTP: whatever it answers, errors included, is a message. ``path`` is the path
    below the service's own root (``/v1/models/iris:predict``). ``forward_headers`` and
    ``timeout_s`` mean what they mean for a ``RemoteService``."""

    graph: GraphName
    source: StepId
    path: str = "/"
    name: str = ""
    forward_headers: tuple[str, ...] = ()
    timeout_s: float | None = None
    retry: Retry | None = None

    def reads(self) -> tuple[StepId, ...]:
        return (self.source,)


@dataclass(frozen=True, kw_only=True)
class Predict(Step):
    """A call of another graph of the program with a V1 or V2 document as plain data; the
    answer is plain data too. An error answer becomes this graph's answer, status and all."""

    graph: GraphName
    source: StepId

    def reads(self) -> tuple[StepId, ...]:
        return (self.source,)
