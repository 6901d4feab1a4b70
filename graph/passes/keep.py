"""Which models leave their answer where it was computed, for the next model in the process."""

from __future__ import annotations

from dataclasses import replace

from umbel.graph.implementations import ModelFile
from umbel.graph.ir import Graph, Node
from umbel.graph.plan import Plan
from umbel.graph.steps import Call, NodeName

TENSORS = frozenset({"pytorch"})
"""Model formats that take and give torch tensors."""


def keep(plan: Plan) -> Plan:
    """The plan with ``output: tensor`` for every torch model whose answer only torch models of the
    same process read: it stays on its device, and no array is made of it in between."""
    graphs = dict(plan.program.graphs)
    for name, graph in plan.program.graphs.items():
        kept = {node: readers for node in graph.nodes if (readers := _readers(plan, graph, node))}
        if not kept:
            continue
        nodes = dict(graph.nodes)
        for key in [*kept, *(reader for readers in kept.values() for reader in readers)]:
            nodes[key] = _giving(nodes[key], "tensor" if key in kept else "array")
        graphs[name] = replace(graph, nodes=nodes)
        for node, readers in kept.items():
            words = f"its answer stays a tensor on its device: {', '.join(readers)} read it there"
            plan = plan.because("keep", f"{name}.{node}", words)
    return replace(plan, program=replace(plan.program, graphs=graphs))


def _readers(plan: Plan, graph: Graph, node: NodeName) -> list[NodeName]:
    """The nodes that read what ``node`` gives; empty where one of them cannot take a tensor."""
    if not _in_process(plan, graph, graph.nodes[node]):
        return []
    given = {s.id for s in graph.steps if isinstance(s, Call) and s.node == node}
    if given & {ref for _, ref in graph.outputs}:
        return []
    found: list[NodeName] = []
    for step in graph.steps:
        if given & set(step.reads()):
            if type(step) is not Call or not _in_process(plan, graph, graph.nodes[step.node]):
                return []
            found.append(step.node)
    return list(dict.fromkeys(found))


def _in_process(plan: Plan, graph: Graph, node: Node) -> bool:
    """Whether a node is a torch model in the graph's own replicas that nothing stands before."""
    options = node.options
    plain = not (options.batch or options.cache or options.retry)
    is_torch = isinstance(node.code, ModelFile) and node.code.format in TENSORS
    return is_torch and plain and plan.deployment_of(graph.name, node.name) is None


def _giving(node: Node, output: str) -> Node:
    code = node.code
    if not isinstance(code, ModelFile) or "output" in code.options:
        return node
    return replace(node, code=replace(code, options={**code.options, "output": output}))
