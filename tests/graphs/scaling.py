"""A node in replicas of its own, none while nobody asks."""

import asyncio

from umbel import Scale, Tensor, inference_graph, transformer


@transformer(scale=Scale(min=0, max=3, target=2))
async def busy(x: Tensor["batch"]) -> Tensor["batch"]:
    await asyncio.sleep(0.05)
    return x + 1


@inference_graph
def scaled(x):
    return busy(x)
