"""A node with its code built and ready to be called."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from umbel.graph.errors import InvalidInput
from umbel.graph.ir import Node
from umbel.graph.value_types import Signature
from umbel.nodes import forms
from umbel.nodes.batching import Batcher
from umbel.nodes.execution import Escaped, SyncExecution, was_cancelled
from umbel.nodes.item_streams import Items
from umbel.nodes.request_context import RequestContext
from umbel.nodes.response_cache import ResponseCache

if TYPE_CHECKING:
    from umbel.nodes.openai_methods import OpenAiMethods

log = logging.getLogger("umbel.nodes")


class UnfitInput(InvalidInput):
    """A value cannot be converted to what ``port`` asks for. The client's mistake if the value
    is the client's, else a fault of the node that gave it."""

    def __init__(self, text: str, port: str = "") -> None:
        super().__init__(text, port)
        self.port = port

    def __str__(self) -> str:
        return str(self.args[0])


class Handle(Protocol):
    """How the engine calls a node, wherever it runs. ``inline`` is true while a call is known
    to be quick and to run on the event loop."""

    @property
    def inline(self) -> bool:
        """Whether a call returns without waiting for anything."""

    def __call__(self, values: dict[str, Any], context: RequestContext) -> Awaitable[Any]:
        """The node's value for ``values`` by port name."""


class ModelRuntime(Protocol):
    """A saved model opened by its format's library. ``signature`` is what the file tells of
    its inputs and outputs, ``None`` if it tells nothing. A runtime with an asynchronous method
    ``answer`` is asked by it instead of ``predict``: many calls are then under way at once."""

    @property
    def signature(self) -> Signature | None:
        """The model's own typed inputs and outputs."""

    def predict(self, **values: Any) -> Any:
        """The model's answer for values by port name."""


class LoadedNode:
    """Converts each value to the form its port asks for, then runs the code."""

    def __init__(
        self, node: Node, function: Callable[..., Any], close: Callable[[], Any] | None = None
    ) -> None:
        self.node = node
        self.signature = node.signature
        self._function = function
        self._close = close
        self.instance: Any = None
        """The object behind the code, where there is one: what other methods it has."""
        is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004  an instance with async __call__
        )
        self._sync = None if is_async else SyncExecution(function)
        self._waits = False
        batch = node.options.batch
        self._batcher = Batcher(self._execute, batch, node.name) if batch else None
        cache = node.options.cache
        self.cache = ResponseCache(node, cache) if cache else None
        self._types = {port.name: port.type for port in node.signature.inputs}
        self._openai: OpenAiMethods | None = None

    @property
    def openai_methods(self) -> tuple[str, ...]:
        """The methods of OpenAI's API that the object behind the code offers."""
        from umbel.nodes.openai_methods import offered

        return offered(self.instance)

    def openai(self, method: str, body: object, context: RequestContext) -> Items:
        """The parts of the object's answer to a request of OpenAI's API."""
        if self._openai is None:
            from umbel.nodes.openai_methods import OpenAiMethods  # which builds on this class

            self._openai = OpenAiMethods(self.node, self.instance)
        return self._openai(method, body, context)

    @property
    def inline(self) -> bool:
        """Whether calls run on the loop at present."""
        waits = self._batcher is not None or self.cache is not None
        return not waits and self._sync is not None and self._sync.inline

    @property
    def blocking(self) -> bool:
        """Whether a call needs no event loop: plain code, neither batched nor cached."""
        plain = self._sync is not None and not self._waits
        return plain and self._batcher is None and self.cache is None

    async def __call__(self, values: dict[str, Any], context: RequestContext) -> Any:
        ready = self.convert(values)
        if self.cache is not None:
            return await self.cache.get(ready, lambda: self._run(ready))
        return await self._run(ready)

    def _run(self, ready: dict[str, Any]) -> Awaitable[Any]:
        return self._execute(ready) if self._batcher is None else self._batcher(ready)

    async def _execute(self, ready: dict[str, Any]) -> Any:
        try:
            if self._sync is None:
                return await self._function(**ready)
            result = await self._sync(ready)
            if inspect.isawaitable(result):
                self._waits = True
                return await result
            return result
        except (SystemExit, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and was_cancelled():
                raise
            raise Escaped(f"{type(error).__name__}: {error}") from error

    def convert(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values in the forms that the code asks for. Raises ``UnfitInput``."""
        types, ready = self._types, {}
        for name, value in values.items():
            if name not in types or (type(value).__module__ == "torch" and self._takes_tensors):
                ready[name] = value
                continue
            what = f"input {name!r} of {self.node.name!r}"
            try:
                ready[name] = forms.convert(value, types[name], what)
            except InvalidInput as error:
                raise UnfitInput(str(error), name) from error
        return ready

    @property
    def _takes_tensors(self) -> bool:
        """Whether the code uses a torch tensor where it lies: no array is to be made of it."""
        return bool(getattr(self.instance, "takes_tensors", False))

    async def close(self) -> None:
        """Let the code release what it holds; its errors are logged."""
        if self._openai is not None:
            await self._openai.close()
        if self.cache is not None:
            await self.cache.close()
        if self._close is None:
            return
        try:
            result = self._close()
            if inspect.isawaitable(result):
                await result
        except Exception:
            log.exception("node %r failed to close", self.node.name)
