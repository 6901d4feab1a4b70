"""What models in deployments of their own told of their inputs and outputs.

A graph's metadata and documents are made when its replica starts, from what each model's file
says; a model apart is asked for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from umbel.graph.implementations import ModelFile
from umbel.graph.plan import Deployment, Plan
from umbel.graph.value_types import Signature
from umbel.serving.remote_node import RemoteNode

log = logging.getLogger("umbel")

PATIENCE_S = 120.0
"""Seconds that a graph waits for its models apart to be loaded before it goes by what was
declared."""


async def hear_signatures(
    plan: Plan, handles: Mapping[str, Any], remote: Mapping[tuple[str, str], Any]
) -> None:
    """Give each model among ``remote`` the signature its replica tells. One that may have no
    replica is not woken for it."""

    async def hear(deployment: Deployment) -> None:
        nodes = plan.program.graphs[deployment.graph].nodes
        models = [name for name in deployment.nodes if isinstance(nodes[name].code, ModelFile)]
        if not models or deployment.scale.min == 0:
            return
        call = handles[deployment.name].signatures.remote()
        try:
            told: dict[str, Signature] = await asyncio.wait_for(call, PATIENCE_S)
        except Exception as error:
            log.warning("%s does not tell its models' inputs: %s", deployment.name, error)
            return
        for name in models:
            handle = remote[deployment.graph, name]
            if isinstance(handle, RemoteNode):
                handle.signature = told[name]

    await asyncio.gather(*map(hear, plan.deployments))
