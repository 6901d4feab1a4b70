"""``explainer("alibi-anchor-tabular", of=..., ...)``: a step of an explanation library, and the
graph that answers ``:explain`` for another one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from umbel.graph.annotations import ReadSignature
from umbel.graph.arguments import bind_arguments
from umbel.graph.definitions import ClassDefinition, NodeDefinition, register
from umbel.graph.errors import DeclarationError
from umbel.graph.findings import Place
from umbel.graph.graph_definitions import GraphDefinition
from umbel.graph.implementations import LibraryExplainer, ModelFile, TrainingRows
from umbel.graph.options import NodeOptions
from umbel.graph.steps import Explain, GraphName, NodeName
from umbel.graph.tracing import Trace, Value, active_trace, caller_place
from umbel.graph.value_types import Port, Signature, ValueType

PARAMETERS = "parameters"
"""The input of an explainer that holds what the caller asks of this one explanation."""

SIGNATURE = Signature(
    (Port("x"), Port(PARAMETERS, ValueType("json"), required=False)),
    (Port("explanation", ValueType("dict")),),
)


class ExplainerDefinition(NodeDefinition):
    """A library's explainer as declared. ``of`` is what it explains: a model or a graph; ``None``
    for whatever graph names it as its explainer."""

    def __init__(
        self,
        code: LibraryExplainer,
        of: NodeDefinition | GraphDefinition | None,
        *,
        name: str,
        options: NodeOptions,
        place: Place,
    ) -> None:
        default = code.method.partition("-")[2].replace("-", "_") or code.method
        read = ReadSignature(SIGNATURE)
        super().__init__(
            "explainer", code, read, name=name, default_name=default, options=options, place=place
        )
        self.of = of
        self._alone: GraphDefinition | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trace = active_trace()
        if trace is None:
            self._alone = self._alone or explaining_graph(self, None)
            return self._alone.local(*args, **kwargs)
        return self.traced(trace, self.of, args, kwargs)

    def save(self, folder: str | Path) -> None:
        """Write what the explainer is fitted to into a folder, which ``uri=`` and a service's
        ``storageUri`` read: numbers and text, no pickle. A method with networks of its own trains
        them first, on the answers of ``of``, which may take minutes. Raises ``DeclarationError``
        for an explainer that is read from a folder itself."""
        from umbel.graph import local_runner

        local_runner.current().save_explainer(self.library_code, Path(folder), self.of)

    @property
    def library_code(self) -> LibraryExplainer:
        """The code, with its own type."""
        assert isinstance(self.code, LibraryExplainer)  # noqa: S101  the constructor's own
        return self.code

    def traced(
        self,
        trace: Trace,
        of: NodeDefinition | GraphDefinition | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Value:
        """The step that explains ``of`` in the graph being traced."""
        node = register(trace, self)
        graph, predictor = GraphName(""), NodeName("")
        if isinstance(of, GraphDefinition):
            graph = GraphName(of.name)
            if of not in trace.subgraphs:
                trace.subgraphs.append(of)
        elif of is not None:
            predictor = register(trace, of).name
        else:
            trace.find(
                "UMB-G130",
                f"the explainer {node.name!r} has nothing to explain",
                fix="give it of=model or of=graph, or name it: @inference_graph(explainer=...)",
                subject=node.name,
            )
        return trace.add(
            Explain(
                id=trace.fresh(node.name),
                node=node.name,
                args=bind_arguments(trace, node.name, SIGNATURE, args, kwargs),
                graph=graph,
                predictor=predictor,
                place=caller_place(),
                type=SIGNATURE.outputs[0].type,
            )
        )


def define_explainer(
    method: str,
    of: object,
    *,
    uri: str,
    train: object,
    model: object,
    settings: Mapping[str, object] | None,
    name: str,
    options: NodeOptions,
) -> ExplainerDefinition:
    """An explainer by its method's name. Relative paths start at the declaring file."""
    place = caller_place()
    if of is not None and not isinstance(of, (NodeDefinition, GraphDefinition)):
        raise DeclarationError(f"{place}: of= is a model or a graph, not {of!r}")
    folder = str(Path(place.file).resolve().parent) if place.file else ""
    rows: TrainingRows | None = None
    if isinstance(train, str):
        if uri:
            raise DeclarationError(f"{place}: give uri= or the path train=, not both")
        uri = train
    elif train is not None:
        rows = _rows(train, place)
    if uri and "://" not in uri and not Path(uri).is_absolute():
        uri = str(Path(folder) / uri)
    code = LibraryExplainer(
        method, uri, rows, dict(settings or {}), _model_file(model, of, place), folder
    )
    return ExplainerDefinition(code, of, name=name, options=options, place=place)


def _rows(train: object, place: Place) -> TrainingRows:
    """``train=X``, or ``train=(X, y)``."""
    parts = train if isinstance(train, tuple) else (train,)
    arrays = {}
    for part, key in zip(parts, ("x", "y"), strict=False):
        array = part if hasattr(part, "tobytes") else getattr(part, "to_numpy", lambda: None)()
        if array is None or not hasattr(array, "dtype") or str(array.dtype) == "object":
            raise DeclarationError(
                f"{place}: train= is an array of numbers or text, (rows, labels), or the path of "
                f"a file; got {type(part).__name__}"
            )
        arrays[key] = array
    return TrainingRows(arrays)


def _model_file(model: object, of: object, place: Place) -> ModelFile | None:
    """The saved model behind ``model=``, or behind ``of=`` where that is one."""
    given = of if model is None else model
    code = given.code if isinstance(given, NodeDefinition) else None
    if isinstance(code, ModelFile):
        return code
    if model is not None:
        raise DeclarationError(
            f'{place}: model= is a saved model, predictor("sklearn", uri="..."), not {model!r}'
        )
    return None


def explaining_graph(
    explainer: NodeDefinition | ClassDefinition, owner: GraphDefinition | None
) -> GraphDefinition:
    """The graph that answers ``:explain`` for ``owner``: one call of ``explainer``."""
    if isinstance(explainer, ClassDefinition):
        explainer = explainer()
        assert isinstance(explainer, NodeDefinition)  # noqa: S101  not while a graph is traced
    one = explainer
    held = (one, owner)  # in a tuple: what a closure holds by name, tracing names after it

    def explain(*args: Any) -> Any:
        trace = active_trace()
        one, owner = held
        if isinstance(one, ExplainerDefinition) and trace is not None:
            return one.traced(trace, one.of or owner, args, {})
        return one(*args)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    explain.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                port.name, kind, default=inspect.Parameter.empty if port.required else None
            )
            for port in one.signature.inputs
        ]
    )
    name = f"{owner.name}/explainer" if owner else one.name or one.default_name
    graph = GraphDefinition(explain, name=name, example=None, place=one.place)
    graph.declared = one.read
    return graph
