"""What runs umbel's own steps on messages: shadows, composed bodies, reports, conversions."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from umbel.graph import conditions
from umbel.graph.message_steps import Compose, Hole, Note, Pick, Report, Shadow, ToV1, ToV2
from umbel.graph.steps import Step
from umbel.nodes.messages import Message
from umbel.nodes.request_context import RequestContext, enter
from umbel.serving import noted_replies
from umbel.serving.compiled_step import CompiledStep
from umbel.serving.protocols import message_tensors
from umbel.serving.scope import MISSING, Scope

if TYPE_CHECKING:
    from umbel.serving.engine import CompiledGraph

STEPS_HEADER = "umbel-steps"
"""A request that carries it with the value 1 gets the replies of all steps, if the graph
allows it."""

_random = secrets.SystemRandom()


def _shadow(graph: CompiledGraph, index: int, step: Shadow) -> CompiledStep:
    planner, at = graph.planner, graph.planner.index
    condition = None if step.condition is None else planner.block([at[step.condition]])
    value = planner.block([at[step.value]])
    background, name = graph.engine.background, f"mirror {step.id!r} of {graph.graph.name!r}"

    async def run(values: list[Any], context: RequestContext) -> None:
        enter(context)
        scope = Scope(len(values), context)
        scope.values[:] = values
        try:
            with noted_replies.notes(None):
                if condition is not None:
                    await graph.enter(scope, condition)
                    if not scope.values[condition.targets[0]]:
                        return
                await graph.enter(scope, value)
        finally:
            await scope.close()

    async def wait(scope: Scope) -> None:
        if step.percent < 100 and _random.randrange(100) >= step.percent:
            return
        values, asked = list(scope.values), scope.context
        context = RequestContext(
            asked.id, time.monotonic() + background.longest_s, asked.headers, asked.header_list
        )
        background.start(name, lambda: run(values, context))

    return CompiledStep(wait=wait)


def _compose(graph: CompiledGraph, index: int, step: Compose) -> CompiledStep:
    at = graph.planner.index
    picks = [(at[pick.source], pick) for pick in step.picks]
    answer = None if step.answer is None else at[step.answer]

    def compute(values: list[Any]) -> Message:
        status = 200
        if answer is not None:
            reply: Message = values[answer]
            if not reply.ok:
                return reply
            status = reply.status
        found = [
            None if values[source] is MISSING else _picked(values[source].body, pick)
            for source, pick in picks
        ]
        return Message(_filled(step.template, found) or b"null", status)

    return CompiledStep(compute=compute)


def _picked(body: bytes, pick: Pick) -> bytes | None:
    if not pick.path:
        return _as_json(body) if body else None
    if not conditions.valid(body):
        return None
    return conditions.get(body, pick.path).raw_bytes or None


def _as_json(body: bytes) -> bytes:
    """A body as JSON text: itself, or ``{"b64": "..."}`` if it is no JSON."""
    if conditions.valid(body):
        return body
    return orjson.dumps({"b64": base64.b64encode(body).decode()})


def _filled(template: object, found: Sequence[bytes | None]) -> bytes | None:
    if isinstance(template, Hole):
        return found[template.pick]
    if isinstance(template, Mapping):
        filled = ((key, _filled(value, found)) for key, value in template.items())
        return _object((key, text) for key, text in filled if text is not None)
    if isinstance(template, (list, tuple)):
        return b"[" + b",".join(_filled(item, found) or b"null" for item in template) + b"]"
    return orjson.dumps(template)


def _object(items: Any) -> bytes:
    return b"{" + b",".join(orjson.dumps(key) + b":" + text for key, text in items) + b"}"


def _note(graph: CompiledGraph, index: int, step: Note) -> CompiledStep:
    source, name = graph.planner.index[step.source], step.name

    def compute(values: list[Any]) -> Message:
        message: Message = values[source]
        noted_replies.note(name, message)
        return message

    return CompiledStep(compute=compute)


def _report(graph: CompiledGraph, index: int, step: Report) -> CompiledStep:
    answer = graph.planner.block([graph.planner.index[step.answer]], graph.planner.ancestors(index))

    async def wait(scope: Scope) -> Message:
        asked = not step.on_request or scope.context.headers.get(STEPS_HEADER, "").strip() == "1"
        notebook: noted_replies.Notebook | None = {} if asked else None
        with noted_replies.notes(notebook):
            await graph.enter(scope, answer)
        reply: Message = scope.values[answer.targets[0]]
        if notebook is None:
            return reply
        steps = ((name, _reply(noted)) for name, noted in notebook.items())
        body = _object([("output", _as_json(reply.body)), ("steps", _object(steps))])
        return Message(body, reply.status)

    return CompiledStep(wait=wait)


def _reply(message: Message) -> bytes:
    status = str(message.status).encode()
    return _object([("status", status), ("body", _as_json(message.body))])


def _to_v2(graph: CompiledGraph, index: int, step: ToV2) -> CompiledStep:
    return _converted(graph, step, message_tensors.v2_request)


def _to_v1(graph: CompiledGraph, index: int, step: ToV1) -> CompiledStep:
    return _converted(graph, step, message_tensors.v1_request)


def _converted(
    graph: CompiledGraph, step: ToV1 | ToV2, convert: Callable[..., bytes]
) -> CompiledStep:
    source = graph.planner.index[step.source]
    name = "the request" if step.from_client else repr(str(step.source))

    def compute(values: list[Any]) -> Message:
        message: Message = values[source]
        return Message(convert(message, step.feeds, name, step.from_client))

    return CompiledStep(compute=compute)


MESSAGE_KINDS: dict[type[Step], Callable[..., CompiledStep]] = {
    Shadow: _shadow,
    Compose: _compose,
    Note: _note,
    Report: _report,
    ToV2: _to_v2,
    ToV1: _to_v1,
}
