"""What the decorators give: nodes that can be called, in a graph or by hand.

Inside a graph function a call becomes a step. Outside, a function node simply runs, so a
unit test of a node needs nothing of umbel.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from umbel.graph.annotations import ReadSignature, read_signature
from umbel.graph.arguments import bind_arguments
from umbel.graph.errors import DeclarationError
from umbel.graph.findings import Place
from umbel.graph.implementations import Implementation, ModelFile, PythonCode
from umbel.graph.ir import Node, NodeKind
from umbel.graph.options import NodeOptions
from umbel.graph.steps import Call, NodeName
from umbel.graph.tracing import Declaration, Outputs, Trace, Value, active_trace, caller_place
from umbel.graph.value_types import ANY, Signature

METHODS: dict[NodeKind, tuple[str, ...]] = {
    "predictor": ("predict", "__call__"),
    "transformer": ("transform", "__call__"),
    "explainer": ("explain", "__call__"),
}
"""The method of a class that a node of a kind calls, the first that exists."""


class NodeDefinition(Declaration):
    """A node as declared. ``name`` may be empty: then the variable that holds it names it."""

    def __init__(
        self,
        kind: NodeKind,
        code: Implementation,
        read: ReadSignature,
        *,
        name: str,
        default_name: str,
        options: NodeOptions,
        place: Place,
    ) -> None:
        self.kind, self.code, self.read = kind, code, read
        self.name, self.default_name = name, default_name
        self.options, self.place = options, place

    @property
    def signature(self) -> Signature:
        """The typed inputs and outputs."""
        return self.read.signature

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name or self.default_name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trace = active_trace()
        if trace is not None:
            return _call(trace, self, args, kwargs)
        if isinstance(self.code, PythonCode) and not self.code.method:
            return self.code.target(*args, **kwargs)
        from umbel.graph import local_runner

        node = self.node(NodeName(self.default_name))
        return local_runner.current().call_node(node, args, kwargs)

    def node(self, name: NodeName) -> Node:
        """The frozen node under the name it has in a graph."""
        return Node(name, self.kind, self.code, self.signature, self.options, self.place)


class ClassDefinition(Declaration):
    """A decorated class. Calling it gives a node set up with those arguments."""

    def __init__(
        self, kind: NodeKind, cls: type, *, name: str, options: NodeOptions, place: Place
    ) -> None:
        self.kind, self.cls, self.name, self.options, self.place = kind, cls, name, options, place
        self.method = next((m for m in METHODS[kind] if _has(cls, m)), "")
        if not self.method:
            wanted = " or ".join(METHODS[kind])
            raise DeclarationError(f"{place}: {kind} class {cls.__name__} needs a method {wanted}")
        self.read = read_signature(getattr(cls, self.method), skip_first=True)

    def __call__(self, *args: object, **kwargs: object) -> NodeDefinition:
        """A node whose replicas build the class with these arguments."""
        try:
            inspect.signature(self.cls).bind(*args, **kwargs)
        except TypeError as error:
            self._misused(str(error))
        code = PythonCode(self.cls, _reference(self.cls), self.method, args, kwargs)
        return NodeDefinition(
            self.kind,
            code,
            self.read,
            name=self.name,
            default_name=self.cls.__name__,
            options=self.options,
            place=self.place,
        )

    def _misused(self, problem: str) -> None:
        expected = f"{self.cls.__name__}{inspect.signature(self.cls)}"
        trace = active_trace()
        if trace is None:
            raise DeclarationError(f"{caller_place()}: {expected}: {problem}")
        trace.find(
            "UMB-G101",
            f"{self.cls.__name__} cannot be set up: {problem}",
            fix=f"it takes {expected}",
            subject=self.name or self.cls.__name__,
        )


def _has(cls: type, method: str) -> bool:
    """Whether the class or a base declares it; each class itself can be called, which is no
    ``__call__`` of its instances."""
    return any(method in vars(base) for base in cls.__mro__)


def _reference(code: Any) -> str:
    named = code if hasattr(code, "__qualname__") else type(code)
    return f"{named.__module__}:{named.__qualname__}"


def define_function(
    kind: NodeKind, function: Callable[..., Any], *, name: str, options: NodeOptions, place: Place
) -> NodeDefinition:
    """A node that is one function."""
    try:
        read = read_signature(function)
    except ValueError as error:
        raise DeclarationError(
            f"{place}: {error}; write a function with named arguments around it"
        ) from error
    return NodeDefinition(
        kind,
        PythonCode(function, _reference(function)),
        read,
        name=name,
        default_name=getattr(function, "__name__", type(function).__name__).strip("<>"),
        options=options,
        place=place,
    )


def define_model(
    kind: NodeKind,
    model_format: str,
    uri: str,
    *,
    version: str,
    name: str,
    options: NodeOptions,
    signature: Signature,
    settings: dict[str, object],
) -> NodeDefinition:
    """A node that is a saved model. A relative path is relative to the declaring file."""
    place = caller_place()
    if "://" not in uri and not Path(uri).is_absolute() and place.file:
        uri = str(Path(place.file).parent / uri)
    return NodeDefinition(
        kind,
        ModelFile(model_format, uri, version, settings),
        ReadSignature(signature),
        name=name,
        default_name=Path(uri).stem or model_format,
        options=options,
        place=place,
    )


def _call(
    trace: Trace, definition: NodeDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Value | Outputs:
    node = register(trace, definition)
    fed = bind_arguments(trace, node.name, node.signature, args, kwargs)
    outputs = node.signature.outputs
    single = len(outputs) == 1 and not node.signature.keyed
    called = trace.add(
        Call(
            id=trace.fresh(node.name),
            node=node.name,
            args=fed,
            place=caller_place(),
            type=outputs[0].type if single else ANY,
        )
    )
    return called if single else spread(trace, called, node.signature)


def spread(trace: Trace, called: Value, signature: Signature) -> Outputs:
    """One value for each of several outputs."""
    values = []
    for index, port in enumerate(signature.outputs):
        picked = called[port.name if signature.keyed else index]
        values.append(trace.retype(picked, port.type))
    return Outputs.of(tuple(port.name for port in signature.outputs), tuple(values))


def register(trace: Trace, definition: NodeDefinition) -> Node:
    """The node under the name it gets in the graph being traced."""
    wanted = (
        definition.name
        or trace.names.get(id(definition))
        or trace.names.get(id(definition.code), "")
        or definition.default_name
    )
    base, count = wanted, 1
    while True:
        name = NodeName(wanted)
        node = definition.node(name)
        known = trace.nodes.get(name)
        if known is None:
            trace.nodes[name] = node
            if definition.read.unreadable:
                trace.find(
                    "UMB-G105",
                    f"annotations cannot be read: {'; '.join(definition.read.unreadable)}",
                    fix="import the names where the file's top level can see them",
                    subject=name,
                    severity="warning",
                )
            return node
        if same_node(known, node):
            return known
        if definition.name:
            trace.find(
                "UMB-G106",
                f"two different nodes are called {base!r}: {known.place} and {node.place}",
                fix="give one of them another name=",
                subject=base,
            )
        count += 1
        wanted = f"{base}_{count}"


def same_node(one: Node, other: Node) -> bool:
    """True if two declarations mean one node: equal code, set-up and options."""
    if isinstance(one.code, PythonCode) and isinstance(other.code, PythonCode):
        if one.code.target is not other.code.target:
            return False
        if _printed(one.code) != _printed(other.code):
            return False
    elif one.code != other.code:
        return False
    return one.options == other.options and one.kind == other.kind


def _printed(code: PythonCode) -> str:
    try:
        return json.dumps([code.args, dict(code.kwargs)], sort_keys=True)
    except TypeError:
        return f"{[id(arg) for arg in code.args]} {[id(v) for v in code.kwargs.values()]}"
