"""From a declared node to a loaded one: builds classes, opens models, connects services."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from umbel.graph.errors import DeclarationError, MissingExtra, UmbelError
from umbel.graph.implementations import (
    HttpServer,
    ModelFile,
    ModelPool,
    PythonClass,
    PythonCode,
    RemoteService,
)
from umbel.graph.ir import Node
from umbel.graph.value_types import ANY, Signature, ValueType
from umbel.nodes.closing import closer
from umbel.nodes.loaded import LoadedNode
from umbel.nodes.model_formats import FORMATS
from umbel.nodes.model_signatures import completed
from umbel.nodes.payload_class import payload_close, payload_instance, payload_method
from umbel.nodes.streaming_node import StreamingNode


class NodeNotLoaded(DeclarationError):
    """A node could not be built. The cause says why."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(node, reason)
        self.node, self.reason = node, reason

    def __str__(self) -> str:
        return f"node {self.node!r} cannot start: {self.reason}"


def load(node: Node, path: Path | None = None) -> LoadedNode:
    """Build the node's code. May take long: reads files, imports libraries. ``path`` is where
    the model of a node lies if it has been fetched already.

    Raises ``NodeNotLoaded`` from whatever went wrong, ``MissingExtra`` as it is.
    """
    try:
        if isinstance(node.code, PythonCode):
            return _python(node, node.code)
        if isinstance(node.code, ModelFile):
            return _model(node, node.code, path)
        if isinstance(node.code, ModelPool):
            return _pool(node)
        if isinstance(node.code, PythonClass):
            method = payload_method(node.code)
            close = payload_close(node.code)
            return _loaded(node, method, close, payload_instance(node.code))
        if isinstance(node.code, RemoteService):
            return _service(node, node.code)
        if isinstance(node.code, HttpServer):
            return _server(node, node.code)
        raise DeclarationError(f"{type(node.code).__name__} is loaded by a higher layer")
    except MissingExtra:
        raise
    except UmbelError as error:
        raise NodeNotLoaded(node.name, str(error)) from error
    except (Exception, SystemExit) as error:
        raise NodeNotLoaded(node.name, f"{type(error).__name__}: {error}") from error


def _python(node: Node, code: PythonCode) -> LoadedNode:
    if not code.method:
        return _loaded(node, _by_name(code.target))
    instance = code.target(*code.args, **code.kwargs)
    set_up = getattr(instance, "load", None)
    if callable(set_up) and not inspect.signature(set_up).parameters:
        set_up()
    method = _by_name(getattr(instance, code.method))
    return _loaded(node, method, closer(instance), instance)


def _loaded(
    node: Node,
    function: Callable[..., Any],
    close: Callable[[], Any] | None = None,
    instance: Any = None,
) -> LoadedNode:
    ports = (*node.signature.inputs, *node.signature.outputs)
    kind = StreamingNode if any(port.type.stream for port in ports) else LoadedNode
    loaded = kind(node, function, close)
    loaded.instance = instance
    return loaded


def _by_name(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function so that every argument can be given by name, also ``def f(x, /)``'s."""
    parameters = inspect.signature(function).parameters.values()
    fixed = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    if not fixed:
        return function

    def named(**values: Any) -> Any:
        by_position = []
        for name in fixed:
            if name not in values:
                break
            by_position.append(values.pop(name))
        return function(*by_position, **values)

    return named


def format_module(code: ModelFile, name: str) -> Any:
    """The module that opens models of the format, for the node ``name``. Imports its library."""
    known = FORMATS.get(code.format)
    if known is None:
        raise DeclarationError(
            f"model format {code.format!r} has no runtime; there are {', '.join(sorted(FORMATS))}"
        )
    try:
        return importlib.import_module(known.module)
    except ModuleNotFoundError as error:
        raise MissingExtra(f"node {name!r}", error.name or code.format, known.extra) from error


def _pool(node: Node) -> LoadedNode:
    from umbel.nodes.model_pool import load_pool  # which loads each of its models with this file

    return load_pool(node)


def _model(node: Node, code: ModelFile, path: Path | None) -> LoadedNode:
    module = format_module(code, node.name)
    from umbel.nodes.storage.fetching import fetch  # what only models need is not imported first

    runtime: Any = module.open_model(replace(code, uri=str(path or fetch(code.uri))))
    own: Signature | None = runtime.signature
    told = replace(node, signature=completed(own or _of_arrays(node.signature), node.signature))
    streams = told.signature.outputs[0].type.stream
    answer = runtime.stream if streams else getattr(runtime, "answer", runtime.predict)
    return _loaded(told, answer, getattr(runtime, "close", None), runtime)


def _service(node: Node, code: RemoteService) -> LoadedNode:
    from umbel.nodes.remote_service import RemoteCaller

    caller = RemoteCaller(code)
    return LoadedNode(node, caller.post, caller.close)


def _server(node: Node, code: HttpServer) -> LoadedNode:
    from umbel.nodes.forwarding import Forwarder

    forwarder = Forwarder(code)
    return LoadedNode(node, forwarder.answer, forwarder.close)


def _of_arrays(declared: Signature) -> Signature:
    """The signature of a model whose file tells nothing: arrays wherever nothing is declared."""
    array = ValueType("ndarray")
    inputs = (replace(p, type=array) if p.type == ANY else p for p in declared.inputs)
    return replace(declared, inputs=tuple(inputs))
