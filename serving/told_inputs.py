"""A service that is one model takes the inputs that the model's file names.

KServe's YAML does not say what a model's inputs are called, so the graph of such a service has
one, ``x``, until the model is loaded.
"""

from __future__ import annotations

from dataclasses import replace

from umbel.graph.ir import Graph, Node
from umbel.graph.steps import Call, Input, StepId
from umbel.graph.value_types import Signature


def with_told_inputs(graph: Graph, node: Node, told: Signature) -> Graph:
    """The graph with an input for each that the model has; as it is where it is not the graph
    of an InferenceService that passes tensors to a model and answers with what it gives."""
    call = graph.steps[-1]
    one_model = graph.interface == "tensors" and bool(graph.settings.get("kserve"))
    if not one_model or len(graph.steps) != 2 or not isinstance(call, Call):
        return graph
    names = [port.name for port in told.inputs]
    inputs = tuple(Input(id=StepId(n), port=n, place=call.place) for n in names)
    own = StepId(f"{call.id}()") if call.id in names else call.id
    step = replace(call, id=own, args=tuple((n, StepId(n)) for n in names))
    return replace(
        graph,
        nodes={**graph.nodes, node.name: replace(node, signature=told)},
        steps=(*inputs, step),
        outputs=tuple((name, step.id) for name, _ in graph.outputs),
        signature=replace(graph.signature, inputs=told.inputs),
    )
