"""Which graph is meant by a model's name, for a front that stands before many graphs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from umbel.graph.implementations import ModelPool
from umbel.graph.ir import Graph
from umbel.graph.plan import Plan


@dataclass(frozen=True)
class ModelNames:
    """``graphs``: the names of all. ``models``: the further names that models go by, each with
    its graph. ``growing``: the graphs that may serve models whose names are not known yet.
    ``openai``: the models that speak OpenAI's API, each with its graph; known once they run."""

    graphs: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    growing: tuple[str, ...] = ()
    openai: Mapping[str, str] = field(default_factory=dict)

    def candidates(self, model: str) -> tuple[str, ...]:
        """The graphs that may answer for a model, the first that knows it does."""
        graph = model if model in self.graphs else self.models.get(model)
        return self.growing if graph is None else (graph,)


def names_in(plan: Plan) -> ModelNames:
    """Those of the graphs that a plan serves. The graph that was declared first has a name that
    several claim, and a model's own name goes before one in a pool."""
    program = plan.program
    pooled: dict[str, str] = {}
    own: dict[str, str] = {}
    for name in reversed(program.served):
        graph = program.graphs[name]
        for pool in _pools(graph):
            if pool.whole_requests:
                pooled |= dict.fromkeys(pool.models, name)
        own[graph.served_as] = name
    growing = tuple(name for name in program.served if _grows(program.graphs[name]))
    return ModelNames(tuple(program.served), {**pooled, **own}, growing)


def joined(parts: Iterable[ModelNames]) -> ModelNames:
    """All of them; who comes first has a name that several claim."""
    known = list(parts)
    models: dict[str, str] = {}
    openai: dict[str, str] = {}
    for part in reversed(known):
        models.update(part.models)
        openai.update(part.openai)
    return ModelNames(
        tuple(name for part in known for name in part.graphs),
        models,
        tuple(name for part in known for name in part.growing),
        openai,
    )


def _pools(graph: Graph) -> list[ModelPool]:
    return [node.code for node in graph.nodes.values() if isinstance(node.code, ModelPool)]


def _grows(graph: Graph) -> bool:
    return graph.interface == "models" and any(pool.folder is not None for pool in _pools(graph))
