"""What batching a node gets, in words. The numbers are the user's; the pass only says them."""

from __future__ import annotations

from umbel.graph.plan import Plan


def batch(plan: Plan) -> Plan:
    """The plan with a decision for every node that is batched."""
    for graph in plan.program:
        for node in graph.nodes.values():
            asked = node.options.batch
            if asked is None:
                continue
            wait = (
                f"a lone request waits up to {asked.max_wait_ms:g} ms"
                if asked.max_wait_ms
                else "a lone request does not wait"
            )
            plan = plan.because(
                "batch",
                f"{graph.name}.{node.name}",
                f"joins what waits when it is free, up to {asked.max_size} rows; {wait}",
            )
    return plan
