"""Drop what no output needs, so that it is neither loaded nor run."""

from __future__ import annotations

from dataclasses import replace

from umbel.graph.checks import needed
from umbel.graph.ir import Graph
from umbel.graph.plan import Plan
from umbel.graph.steps import Call, Explain, Input


def prune(plan: Plan) -> Plan:
    """The plan without dead steps and without nodes that only they called."""
    graphs = {}
    for name, graph in plan.program.graphs.items():
        kept, dropped = _pruned(graph)
        graphs[name] = kept
        for node in dropped:
            plan = plan.because("prune", node, "no output needs it: it is not loaded")
    return replace(plan, program=replace(plan.program, graphs=graphs))


def _pruned(graph: Graph) -> tuple[Graph, list[str]]:
    if not graph.outputs:
        return graph, []
    used = needed(graph)
    steps = tuple(s for s in graph.steps if s.id in used or isinstance(s, Input))
    called = {s.node for s in steps if isinstance(s, Call)}
    called |= {s.predictor for s in steps if isinstance(s, Explain)}
    dropped = [str(name) for name in graph.nodes if name not in called]
    nodes = {name: node for name, node in graph.nodes.items() if name in called}
    return replace(graph, steps=steps, nodes=nodes), dropped
