"""``transformer``, ``predictor``, ``explainer`` and ``inference_graph``: the words of the DSL."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, overload

from umbel.graph.annotations import TensorSpec, value_type
from umbel.graph.definitions import (
    ClassDefinition,
    NodeDefinition,
    define_function,
    define_model,
)
from umbel.graph.errors import DeclarationError
from umbel.graph.explainer_definitions import (
    ExplainerDefinition,
    define_explainer,
    explaining_graph,
)
from umbel.graph.graph_definitions import GraphDefinition
from umbel.graph.ir import NodeKind
from umbel.graph.options import Batch, Cache, NodeOptions, Resources, Retry, Scale
from umbel.graph.placement import Placement
from umbel.graph.tracing import caller_place
from umbel.graph.value_types import ANY, Port, Signature


def _options(  # noqa: PLR0913  one for each option of a node
    *,
    cpus: float | None = None,
    gpus: float = 0.0,
    memory: int = 0,
    accelerator: str | None = None,
    resources: Mapping[str, float] | None = None,
    placement: Placement | None = None,
    batch: Batch | None = None,
    scale: Scale | None = None,
    cache: Cache | None = None,
    fuse: Literal["auto", "always", "never"] = "auto",
    timeout_s: float | None = None,
    retries: int | Retry = 0,
    max_concurrency: int | None = None,
    env: Mapping[str, object] | None = None,
    deterministic: bool = True,
) -> NodeOptions:
    return NodeOptions(
        Resources(cpus, gpus, memory, accelerator, dict(resources or {})),
        placement or Placement(),
        batch,
        scale,
        cache,
        fuse,
        timeout_s,
        retries,
        max_concurrency,
        env,
        deterministic,
    )


def _define(kind: NodeKind, code: Any, name: str, options: NodeOptions) -> Any:
    place = caller_place()
    if inspect.isclass(code):
        return ClassDefinition(kind, code, name=name, options=options, place=place)
    if callable(code):
        return define_function(kind, code, name=name, options=options, place=place)
    raise DeclarationError(f"{place}: @{kind} decorates a function or a class, not {code!r}")


def _decorator(kind: NodeKind, code: Any, name: str, asked: dict[str, Any]) -> Any:
    options = _options(**asked)
    if code is None:
        return lambda later: _define(kind, later, name, options)
    return _define(kind, code, name, options)


def transformer(code: Any = None, /, *, name: str = "", **options: Any) -> Any:
    """A step that prepares or reshapes values: a function, or a class with ``transform``.

    Use it bare (``@transformer``) or with options: ``name``, ``cpus``, ``gpus``, ``memory``
    (bytes), ``accelerator``, ``resources``, ``placement``, ``batch``, ``scale``, ``cache``,
    ``fuse``, ``timeout_s``, ``retries``, ``max_concurrency``, ``env``, ``deterministic``.
    """
    return _decorator("transformer", code, name, options)


@overload
def predictor(
    code: str,
    /,
    *,
    uri: str,
    name: str = "",
    version: str = "",
    input: TensorSpec | None = None,
    inputs: Mapping[str, TensorSpec | None] | None = None,
    output: TensorSpec | None = None,
    settings: Mapping[str, object] | None = None,
    **options: Any,
) -> NodeDefinition: ...


@overload
def predictor(code: None = None, /, *, name: str = "", **options: Any) -> Any: ...


@overload
def predictor(code: Callable[..., Any], /, *, name: str = "", **options: Any) -> Any: ...


def predictor(
    code: Any = None,
    /,
    *,
    uri: str = "",
    name: str = "",
    version: str = "",
    input: TensorSpec | None = None,
    inputs: Mapping[str, TensorSpec | None] | None = None,
    output: TensorSpec | None = None,
    settings: Mapping[str, object] | None = None,
    **options: Any,
) -> Any:
    """A model: a class with ``predict``, a function, or a saved model by its format.

    ``predictor("sklearn", uri="models/iris")`` is a saved model; ``input`` and ``output`` are
    its tensor types where the file does not tell, ``inputs`` names the inputs of a model that
    has several (``{"ids": None, "mask": None}``), ``settings`` are options of the format.
    As a decorator it takes the same options as ``transformer``.
    """
    if not isinstance(code, str):
        return _decorator("predictor", code, name, options)
    if not uri:
        raise DeclarationError(f'{caller_place()}: predictor("{code}") needs uri="where/it/lies"')
    named = {"x": input} if inputs is None else inputs
    given = value_type(output) if output else ANY
    if settings and settings.get("stream") is True:  # a replica elsewhere yields: known from here
        given = replace(given, stream=True)
    signature = Signature(
        tuple(Port(port, value_type(spec) if spec else ANY) for port, spec in named.items()),
        (Port("output", given),),
    )
    return define_model(
        "predictor",
        code,
        uri,
        version=version,
        name=name,
        options=_options(**options),
        signature=signature,
        settings=dict(settings or {}),
    )


@overload
def explainer(
    code: str,
    /,
    *,
    of: NodeDefinition | GraphDefinition | None = None,
    uri: str = "",
    train: object = None,
    model: NodeDefinition | None = None,
    settings: Mapping[str, object] | None = None,
    name: str = "",
    **options: Any,
) -> ExplainerDefinition: ...


@overload
def explainer(code: None = None, /, *, name: str = "", **options: Any) -> Any: ...


@overload
def explainer(code: Callable[..., Any], /, *, name: str = "", **options: Any) -> Any: ...


def explainer(
    code: Any = None,
    /,
    *,
    of: NodeDefinition | GraphDefinition | None = None,
    uri: str = "",
    train: object = None,
    model: NodeDefinition | None = None,
    settings: Mapping[str, object] | None = None,
    name: str = "",
    **options: Any,
) -> Any:
    """A step that explains a prediction: a function, a class with ``explain``, or a library's
    method by its name.

    ``explainer("alibi-anchor-tabular", of=model, train=X)``: ``of`` is what is explained, a model
    or a graph; a graph that is declared with ``explainer=`` is explained where there is no
    ``of``. ``train`` is what the method is fitted to: an array, ``(rows, labels)``, or a file;
    ``uri`` a folder with fitted state instead. ``model`` is the saved model for methods that look
    inside it, where that is not ``of``. As a decorator it takes the options of ``transformer``.
    """
    if not isinstance(code, str):
        return _decorator("explainer", code, name, options)
    return define_explainer(
        code,
        of,
        uri=uri,
        train=train,
        model=model,
        settings=settings,
        name=name,
        options=_options(**options),
    )


Explaining = NodeDefinition | ClassDefinition | GraphDefinition
"""What may answer ``:explain`` for a graph."""


@overload
def inference_graph(code: Callable[..., Any], /) -> GraphDefinition: ...


@overload
def inference_graph(
    code: None = None,
    /,
    *,
    name: str = "",
    example: object = None,
    scale: Scale | None = None,
    placement: Placement | None = None,
    explainer: Explaining | None = None,
) -> Callable[[Callable[..., Any]], GraphDefinition]: ...


def inference_graph(
    code: Any = None,
    /,
    *,
    name: str = "",
    example: object = None,
    scale: Scale | None = None,
    placement: Placement | None = None,
    explainer: Explaining | None = None,
) -> Any:
    """A graph: a function of symbolic values, traced once.

    ``name`` is the path it is served under, the function's own name if empty. ``example`` is a
    value of the input: shown in the OpenAPI document, and run a few times before the graph is
    ready. ``scale`` and ``placement`` are for the graph's own replicas, with all nodes that are
    fused into them. ``explainer`` answers ``:explain``: an explainer, or a graph.
    """
    place = caller_place()

    def define(function: Callable[..., Any]) -> GraphDefinition:
        graph = GraphDefinition(
            function,
            name=name or function.__name__,
            example=example,
            place=place,
            scale=scale,
            placement=placement,
        )
        if isinstance(explainer, (NodeDefinition, ClassDefinition)):
            graph.explainer = explaining_graph(explainer, graph)
        else:
            graph.explainer = explainer
        return graph

    return define if code is None else define(code)
