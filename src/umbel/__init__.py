"""Inference graphs on Ray Serve.

Compose transformers, predictors and explainers into a graph, check it, plan it and serve it
over HTTP and gRPC: in process, on Ray, or on Kubernetes.

    from umbel import inference_graph, predictor, transformer

What this module exports is umbel's Python interface; everything below it may change.
"""

from __future__ import annotations

import threading
import typing

from umbel.graph import local_runner
from umbel.graph.annotations import Tensor
from umbel.graph.branches import ensemble, otherwise, splitter, switch, when
from umbel.graph.decorators import explainer, inference_graph, predictor, transformer
from umbel.graph.errors import (
    CheckFailed,
    ClientError,
    DeadlineExceeded,
    DeclarationError,
    InvalidInput,
    MissingExtra,
    NodeFailed,
    NotFound,
    UmbelError,
)
from umbel.graph.model_pools import model_pool
from umbel.graph.options import Batch, Cache, Retry, Scale
from umbel.graph.placement import Placement, Pool

if typing.TYPE_CHECKING:
    from umbel.serving.client import AsyncInferenceClient, InferenceClient

    __version__: str


def __getattr__(name: str) -> object:
    """What is made when it is asked for: ``__version__``, read from the installed distribution,
    and the clients, since declaring a graph imports no HTTP library."""
    if name in ("AsyncInferenceClient", "InferenceClient"):
        from umbel.serving import client

        globals()[name] = getattr(client, name)
        return globals()[name]
    if name != "__version__":
        raise AttributeError(f"module 'umbel' has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("umbel")
    except PackageNotFoundError:  # a tree that is not installed
        return "0+unknown"


class _InProcess:
    """Builds the engine only when something is run: declaring a graph imports no numpy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> object:
        from umbel.serving.in_process import InProcessRunner

        with self._lock:
            if isinstance(local_runner.current(), _InProcess):
                local_runner.install(InProcessRunner())
        return getattr(local_runner.current(), name)


local_runner.install(_InProcess())  # type: ignore[arg-type]

__all__ = [
    "AsyncInferenceClient",
    "Batch",
    "Cache",
    "CheckFailed",
    "ClientError",
    "DeadlineExceeded",
    "DeclarationError",
    "InferenceClient",
    "InvalidInput",
    "MissingExtra",
    "NodeFailed",
    "NotFound",
    "Placement",
    "Pool",
    "Retry",
    "Scale",
    "Tensor",
    "UmbelError",
    "ensemble",
    "explainer",
    "inference_graph",
    "model_pool",
    "otherwise",
    "predictor",
    "splitter",
    "switch",
    "transformer",
    "when",
]
