"""``graph.local(x)``: a graph called from Python, without a server."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from umbel.graph.checks import check
from umbel.graph.errors import CheckFailed
from umbel.graph.findings import has_errors
from umbel.graph.implementations import LibraryExplainer
from umbel.graph.inference import infer
from umbel.graph.ir import Node, Program
from umbel.graph.passes import plan
from umbel.graph.steps import GraphName
from umbel.nodes import forms
from umbel.nodes.item_streams import END
from umbel.nodes.loaded import LoadedNode
from umbel.nodes.loading import load
from umbel.nodes.request_context import RequestContext, enter
from umbel.nodes.streaming_node import StreamingNode
from umbel.serving.answer_stream import AnswerStream
from umbel.serving.engine import Engine
from umbel.serving.inference import run_graph
from umbel.serving.local_backend import LocalBackend

T = TypeVar("T")


class InProcessRunner:
    """One event loop in a thread of its own for all calls of this process, so that a call
    works with and without a running loop in the caller's thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._engines: dict[int, tuple[Program, Engine]] = {}
        self._nodes: dict[int, tuple[Node, LoadedNode]] = {}
        self._building: dict[int, threading.Lock] = {}

    def call_graph(self, program: Program, args: dict[str, Any]) -> Any:
        """The graph's value. Inputs are converted to what its signature asks for."""
        (name,) = program.served
        graph = program.graphs[name]
        with self._first(id(graph)):
            known = self._engines.get(id(graph))
            if known is None:
                known = self._engines[id(graph)] = (program, self._run(_engine(program)))
        return self._whole_or_items(self._run(_call_graph(known[1], name, args)))

    def call_node(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The node's value, from an instance that is built once and kept."""
        with self._first(id(node.code)):
            known = self._nodes.get(id(node.code))
            if known is None:
                known = self._nodes[id(node.code)] = (node, load(node))
        names = [port.name for port in node.signature.inputs]
        values = {**dict(zip(names, args, strict=False)), **kwargs}
        return self._whole_or_items(self._run(_with_context(known[1], values)))

    def _whole_or_items(self, result: Any) -> Any:
        """A stream as a plain iterator, whose items are made when they are asked for."""
        return self._iterated(result) if isinstance(result, AnswerStream) else result

    def _iterated(self, stream: AnswerStream) -> Iterator[Any]:
        try:
            while (item := self._run(stream.next())) is not END:
                yield item
        finally:
            self._run(stream.close())

    def save_explainer(
        self, code: LibraryExplainer, folder: Path, explained: Callable[[Any], Any] | None
    ) -> None:
        """Write what an explainer is fitted to: rows, settings, networks trained on the answers
        of ``explained``."""
        from umbel.explainers.opening import save_explainer

        save_explainer(code, folder, explained)

    @contextlib.contextmanager
    def _first(self, key: int) -> Iterator[None]:
        """Of several threads that want the same thing built, lets one do it. The loop's own
        thread never waits: the thread that builds may be waiting for the loop."""
        if threading.current_thread() is self._thread:
            yield
            return
        with self._lock:
            lock = self._building.setdefault(key, threading.Lock())
        with lock:
            yield

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="umbel-local", daemon=True
                )
                self._thread.start()
        if threading.current_thread() is self._thread:  # a quick node that calls another graph
            return asyncio.run(work)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _call_graph(engine: Engine, name: GraphName, args: dict[str, Any]) -> Any:
    signature = engine.compiled(name).graph.signature
    types = {port.name: port.type for port in signature.inputs}
    ready = {k: forms.convert(v, types[k], f"input {k!r}") for k, v in args.items()}
    context = RequestContext()
    result = await run_graph(engine, name, ready, context)
    streams = any(port.type.stream for port in signature.outputs)
    return AnswerStream(result, context, name) if streams else result


async def _engine(program: Program) -> Engine:
    inferred = infer(program)
    findings = check(inferred)
    if has_errors(findings):
        raise CheckFailed(findings)
    made = plan(inferred)
    backend = LocalBackend()
    await backend.start(node for graph in made.program for node in graph.nodes.values())
    return Engine(made, backend)


async def _with_context(loaded: LoadedNode, values: dict[str, Any]) -> Any:
    context = RequestContext()
    if isinstance(loaded, StreamingNode) and loaded.yields:
        return AnswerStream(loaded.stream(values, context), context, loaded.node.name)
    enter(context)
    result = loaded(values, context)
    return await result if inspect.isawaitable(result) else result
