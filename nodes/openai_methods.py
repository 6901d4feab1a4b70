"""Calls of a model's OpenAI methods, named and shaped as in KServe.

``create_completion(request)`` and its like give an answer, or a generator of chunks where the
request asks for a stream; plain, async, or a generator themselves. Here each becomes one stream
of parts: ``("whole", answer)``, or ``("part", chunk)`` for each chunk.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from umbel.graph.ir import Node
from umbel.graph.value_types import Port, Signature, ValueType
from umbel.nodes.item_streams import Items
from umbel.nodes.openai_requests import REQUESTS, OpenAiRefusal, read_request
from umbel.nodes.request_context import RequestContext
from umbel.nodes.streaming_node import StreamingNode

WHOLE, PART = "whole", "part"

_PARTS = Signature((Port("request"),), (Port("output", ValueType(stream=True)),))

_NAMES = {
    "create_completion": "completions",
    "create_chat_completion": "chat completions",
    "create_embedding": "embeddings",
    "create_rerank": "reranking",
}


def offered(instance: object) -> tuple[str, ...]:
    """The methods that an object has, or that it says it has (``openai_methods``)."""
    told = getattr(instance, "openai_methods", None)
    if isinstance(told, tuple):
        return told
    return tuple(name for name in REQUESTS if callable(getattr(instance, name, None)))


class OpenAiMethods:
    """The methods of one node's object."""

    def __init__(self, node: Node, instance: object) -> None:
        self._nodes = {
            name: StreamingNode(replace(node, signature=_PARTS), _parts(getattr(instance, name)))
            for name in offered(instance)
        }

    def __call__(self, method: str, body: object, context: RequestContext) -> Items:
        """The parts of an answer. Raises ``OpenAiRefusal``."""
        node = self._nodes.get(method)
        if node is None:
            raise OpenAiRefusal(f"this model does not offer {_NAMES[method]}")
        values = {"request": (read_request(method, body), dict(context.headers))}
        return node.stream(values, context)

    async def close(self) -> None:
        """Wait for what is still at work."""
        for node in self._nodes.values():
            await node.close()


def _parts(method: Callable[..., Any]) -> Callable[..., Any]:
    names = inspect.signature(method).parameters

    def call(request: tuple[Any, Mapping[str, str]]) -> Any:
        parsed, headers = request
        further = {"raw_request": None, "context": dict(headers)}  # as KServe passes them
        return method(parsed, **{name: v for name, v in further.items() if name in names})

    async def parts_async(request: tuple[Any, Mapping[str, str]]) -> Any:
        made = call(request)
        result = await made if inspect.isawaitable(made) else made
        if not hasattr(result, "__aiter__"):
            yield WHOLE, _plain(result)
            return
        async with contextlib.AsyncExitStack() as opened:
            if hasattr(result, "aclose"):
                opened.push_async_callback(result.aclose)
            async for one in result:
                yield PART, _plain(one)

    def parts(request: tuple[Any, Mapping[str, str]]) -> Any:
        result = call(request)
        if not hasattr(result, "__next__"):
            yield WHOLE, _plain(result)
            return
        try:
            for one in result:
                yield PART, _plain(one)
        finally:
            result.close()

    is_async = inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)
    return parts_async if is_async else parts


def _plain(value: Any) -> Any:
    """A pydantic object as a dict, without what is not set, as KServe writes it."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    return value
