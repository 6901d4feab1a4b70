"""``@inference_graph``: a function whose trace is a graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from umbel.graph.annotations import read_signature
from umbel.graph.arguments import bind_arguments
from umbel.graph.definitions import NodeDefinition, spread
from umbel.graph.errors import CheckFailed, DeclarationError
from umbel.graph.findings import Finding, Place, has_errors
from umbel.graph.ir import Graph, Program
from umbel.graph.options import Scale
from umbel.graph.placement import Placement
from umbel.graph.steps import GraphName, Input, StepId, Subgraph
from umbel.graph.tracing import Declaration, Outputs, Trace, Value, active_trace, caller_place
from umbel.graph.value_types import ANY, Port, Signature


class GraphDefinition(Declaration):
    """A graph as declared. Traced once, when first asked for; ``findings`` come with it."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str,
        example: object,
        place: Place,
        scale: Scale | None = None,
        placement: Placement | None = None,
    ) -> None:
        self.function, self.name, self.example, self.place = function, name, example, place
        self.scale, self.placement = scale, placement
        self.declared = read_signature(function)
        self.findings: list[Finding] = []
        self._graph: Graph | None = None
        self._callees: list[GraphDefinition] = []
        self.explainer: GraphDefinition | None = None
        """The graph that answers ``:explain``."""

    def __repr__(self) -> str:
        return f"<inference graph {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trace = active_trace()
        if trace is None:
            return self.local(*args, **kwargs)
        fed = bind_arguments(trace, self.name, self.declared.signature, args, kwargs)
        if self not in trace.subgraphs:
            trace.subgraphs.append(self)
        outputs = self.declared.signature.outputs
        single = len(outputs) == 1 and not self.declared.signature.keyed
        called = trace.add(
            Subgraph(
                id=trace.fresh(self.name),
                graph=GraphName(self.name),
                args=fed,
                place=caller_place(),
                type=outputs[0].type if single else ANY,
            )
        )
        return called if single else spread(trace, called, self.declared.signature)

    def local(self, *args: Any, **kwargs: Any) -> Any:
        """Run the graph in this process: no server, no Ray. Returns the single output, or a
        dict of outputs by name. Raises ``CheckFailed`` if the graph has errors."""
        from umbel.graph import local_runner

        program = self.program()
        findings = [finding for one in self.definitions() for finding in one.findings]
        if has_errors(findings):
            raise CheckFailed(findings)
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        return local_runner.current().call_graph(program, dict(bound.arguments))

    def graph(self) -> Graph:
        """The traced graph."""
        if self._graph is None:
            self._graph = self._trace()
        return self._graph

    def program(self) -> Program:
        """This graph and every graph it calls, itself the one that is served."""
        graphs: dict[GraphName, Graph] = {}
        queue = [self]
        while queue:
            definition = queue.pop(0)
            graph = definition.graph()
            if graph.name not in graphs:
                graphs[graph.name] = graph
                queue += definition._needed()
        return Program(graphs, (GraphName(self.name),))

    def definitions(self) -> list[GraphDefinition]:
        """This graph's definition and those of every graph it calls."""
        found: list[GraphDefinition] = []
        queue = [self]
        while queue:
            definition = queue.pop(0)
            definition.graph()
            if definition not in found:
                found.append(definition)
                queue += definition._needed()
        return found

    def _needed(self) -> list[GraphDefinition]:
        return self._callees + ([self.explainer] if self.explainer else [])

    def _trace(self) -> Graph:
        trace = Trace(_variable_names(self.function))
        with trace:
            inputs = {p.name: self._input(trace, p) for p in self.declared.signature.inputs}
            outputs, keyed = self._outputs(trace, inputs)
        self.findings = trace.findings
        self._callees = trace.subgraphs
        types = {step.id: step.type for step in trace.steps}
        return Graph(
            name=GraphName(self.name),
            nodes=dict(trace.nodes),
            steps=tuple(trace.steps),
            outputs=outputs,
            signature=Signature(
                self.declared.signature.inputs,
                tuple(Port(name, types.get(step, ANY)) for name, step in outputs),
                keyed=keyed,
            ),
            explainer=GraphName(self.explainer.name) if self.explainer else None,
            settings=self._settings(),
            example=self.example,
            doc=inspect.getdoc(self.function) or "",
            place=self.place,
        )

    def _settings(self) -> dict[str, object]:
        asked = {"scale": self.scale, "placement": self.placement}
        return {name: value for name, value in asked.items() if value is not None}

    def _input(self, trace: Trace, port: Port) -> Value:
        default = inspect.signature(self.function).parameters[port.name].default
        return trace.add(
            Input(
                id=trace.fresh(port.name),
                port=port.name,
                default=None if port.required else default,
                type=port.type,
                place=self.place,
            )
        )

    def _outputs(
        self, trace: Trace, inputs: dict[str, Value]
    ) -> tuple[tuple[tuple[str, StepId], ...], bool]:
        """Name and step of each output, and whether the function gave them their names."""
        try:
            result = self._called(inputs)
        except DeclarationError as error:
            self._find(trace, "UMB-G110", str(error), _raised_at(error, self.place), "")
            return (), False
        except Exception as error:
            what = f"the graph function raised {type(error).__name__}: {error}"
            fix = "it may only call nodes and graphs, and use what a graph value offers"
            self._find(trace, "UMB-G112", what, _raised_at(error, self.place), fix)
            return (), False
        if result is None:
            fix = "return the value that is the answer"
            self._find(trace, "UMB-G111", "the graph returns nothing", self.place, fix)
            return (), False
        named, keyed = _named(result)
        return tuple((name, trace.lift(value).step) for name, value in named.items()), keyed

    def _called(self, inputs: dict[str, Value]) -> object:
        by_position: list[Value] = []
        by_name: dict[str, Value] = {}
        for parameter in inspect.signature(self.function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise DeclarationError(
                    f"{self.name} takes any number of arguments ({parameter}): "
                    "name each input of the graph"
                )
            if parameter.kind is parameter.KEYWORD_ONLY:
                by_name[parameter.name] = inputs[parameter.name]
            else:
                by_position.append(inputs[parameter.name])
        return self.function(*by_position, **by_name)

    def _find(self, trace: Trace, code: str, message: str, place: Place, fix: str) -> None:
        trace.findings.append(Finding("error", code, message, place, fix, self.name))


def _named(result: object) -> tuple[dict[str, object], bool]:
    """What a graph function returned, by output name, and whether it named them itself."""
    if isinstance(result, Outputs):
        numbered = tuple(f"output_{i}" for i in range(len(result)))
        return dict(zip(result.names, result, strict=True)), result.names != numbered
    if isinstance(result, tuple) or (isinstance(result, list) and _has_value(result)):
        return {f"output_{i}": value for i, value in enumerate(result)}, False
    if isinstance(result, Mapping):
        return {str(key): value for key, value in result.items()}, True
    return {"output": result}, False


def _has_value(results: list[object]) -> bool:
    return any(isinstance(result, Value) for result in results)


def _raised_at(error: BaseException, fallback: Place) -> Place:
    """The deepest frame of the user's own file in the traceback."""
    place, tb = fallback, error.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == fallback.file:
            place = Place(fallback.file, tb.tb_lineno, tb.tb_frame.f_code.co_name)
        tb = tb.tb_next
    return place


def _variable_names(function: Callable[..., Any]) -> dict[int, str]:
    """What the function's module and enclosing scopes call the nodes they hold."""
    scopes: dict[str, object] = dict(getattr(function, "__globals__", {}))
    scopes.update(inspect.getclosurevars(function).nonlocals)
    return {id(v): name for name, v in scopes.items() if isinstance(v, NodeDefinition)}
