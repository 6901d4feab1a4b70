"""Pools of models: many saved models behind one name, each loaded when it is first asked for.

A pool is served by itself, every model under its own name over V1 and V2, and it is a node that
graphs call with the model's name among the inputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from umbel.graph.annotations import ReadSignature, TensorSpec, value_type
from umbel.graph.definitions import NodeDefinition
from umbel.graph.errors import DeclarationError
from umbel.graph.findings import Place
from umbel.graph.graph_definitions import GraphDefinition
from umbel.graph.implementations import MODEL_MEMORY, ModelFile, ModelPool
from umbel.graph.ir import Graph, Node
from umbel.graph.options import Batch, Fuse, NodeOptions, Resources, Scale
from umbel.graph.steps import Call, GraphName, Input, NodeName, StepId
from umbel.graph.tracing import caller_place
from umbel.graph.value_types import ANY, Port, Signature, ValueType

MODEL_PORT = Port("model", ValueType("str"))
"""Every pool's first input: which model is meant."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")

_WHOLE = Signature((MODEL_PORT, Port("request")), (Port("output"),))


class PoolDefinition(GraphDefinition):
    """A pool as declared: a graph to be served, and a node to be called in other graphs."""

    def __init__(self, code: ModelPool, node: NodeDefinition, name: str, place: Place) -> None:
        super().__init__(_any_model, name=name, example=None, place=place)
        self.code, self.node = code, node

    def __repr__(self) -> str:
        return f"<model pool {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.node(*args, **kwargs)

    def local(self, *args: Any, **kwargs: Any) -> Any:
        """Call a model in this process: ``pool.local(model="a", x=rows)``."""
        return self.node(*args, **kwargs)

    def _trace(self) -> Graph:
        node = self.node.node(NodeName("models"))
        return models_graph(GraphName(self.name), node, self.code, {})


def models_graph(
    name: GraphName, node: Node, code: ModelPool, settings: Mapping[str, object]
) -> Graph:
    """The graph that serves each model of a pool under its own name. ``node`` gives the options
    and the place."""
    whole = ModelPool(code.models, code.folder, code.budget, code.declared, whole_requests=True)
    steps = (
        Input(id=StepId("model"), port="model", place=node.place),
        Input(id=StepId("request"), port="request", place=node.place),
        Call(
            id=StepId(node.name),
            node=node.name,
            args=(("model", StepId("model")), ("request", StepId("request"))),
            place=node.place,
        ),
    )
    served = Node(node.name, node.kind, whole, _WHOLE, node.options, node.place)
    return Graph(
        name=name,
        nodes={node.name: served},
        steps=steps,
        outputs=(("output", StepId(node.name)),),
        signature=_WHOLE,
        interface="models",
        settings=settings,
        place=node.place,
    )


def model_pool(  # noqa: PLR0913  one for each option of a pool
    model_format: str,
    /,
    *,
    name: str,
    models: str | Mapping[str, str],
    memory: int = MODEL_MEMORY,
    input: TensorSpec | None = None,
    output: TensorSpec | None = None,
    settings: Mapping[str, object] | None = None,
    cpus: float | None = None,
    gpus: float = 0.0,
    batch: Batch | None = None,
    scale: Scale | None = None,
    fuse: Fuse = "auto",
    timeout_s: float | None = None,
    max_concurrency: int | None = None,
    env: Mapping[str, object] | None = None,
) -> PoolDefinition:
    """Many saved models of one format behind one name, each loaded when it is first asked for.

    ``models`` is a folder whose entries are the models, or a mapping from names to URIs; relative
    paths are relative to the declaring file. ``memory`` is what the loaded models of one replica
    may take together, in bytes: the least recently used leave first. Served, every model answers
    under its own name; in a graph, ``pool(x=rows, model=name)`` calls one. ``input``, ``output``,
    ``settings`` and the options are those of ``predictor``, for each model.
    Raises DeclarationError for a pool without a name, models or memory.
    """
    options = NodeOptions(
        resources=Resources(cpus, gpus),
        batch=batch,
        scale=scale,
        fuse=fuse,
        timeout_s=timeout_s,
        max_concurrency=max_concurrency,
        env=env,
    )
    place = caller_place()
    code = _code(model_format, models, name, memory, dict(settings or {}), place)
    x, answer = (value_type(spec) if spec else ANY for spec in (input, output))
    read = ReadSignature(Signature((MODEL_PORT, Port("x", x)), (Port("output", answer),)))
    node = NodeDefinition(
        "predictor", code, read, name="", default_name=name, options=options, place=place
    )
    return PoolDefinition(code, node, name, place)


def _code(
    model_format: str,
    models: str | Mapping[str, str],
    name: str,
    memory: int,
    settings: Mapping[str, object],
    place: Place,
) -> ModelPool:
    if not name:
        raise DeclarationError(f'{place}: model_pool(...) needs name="…", the path it answers at')
    if memory <= 0:
        raise DeclarationError(f"{place}: memory is {memory}: give the bytes models may take")
    base = Path(place.file).parent if place.file else Path()
    if isinstance(models, str):
        if "://" in models:
            raise DeclarationError(
                f"{place}: models={models!r}: only a folder of this machine can be listed; name "
                'the others one by one: models={"a": "s3://bucket/a.skops"}'
            )
        return ModelPool({}, ModelFile(model_format, _located(models, base), "", settings), memory)
    wrong = [one for one in models if not _NAME.fullmatch(one)]
    if wrong or not models:
        what = f"{wrong[0]!r} cannot be a model's name" if wrong else "models is empty"
        raise DeclarationError(f"{place}: {what}: a name has letters, digits, '-', '_' and '.'")
    found = {
        one: ModelFile(model_format, _located(uri, base), "", settings)
        for one, uri in models.items()
    }
    return ModelPool(found, None, memory)


def _located(uri: str, base: Path) -> str:
    return uri if "://" in uri or Path(uri).is_absolute() else str(base / uri)


def _any_model(model: str, x: object) -> object:
    """What a pool's call looks like."""
    raise NotImplementedError
