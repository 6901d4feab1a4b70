"""Loads any node, those included that need a library which only the serving side may have."""

from __future__ import annotations

import time

from umbel.graph.errors import DeclarationError, MissingExtra
from umbel.graph.implementations import LibraryExplainer, ModelPool, RemoteService
from umbel.graph.ir import Node
from umbel.nodes.loaded import LoadedNode
from umbel.nodes.loading import NodeNotLoaded, load

HALF_IMPORTED = "partially initialized module"
"""What Python says where two threads import the same packages from different ends."""

RETRIES_S = (0.2, 1.0, 3.0)


def load_node(node: Node) -> LoadedNode:
    """The node, loaded. Nodes are loaded several at once; one that met a package which another
    was just importing is loaded again."""
    for pause in RETRIES_S:
        try:
            return _load_node(node)
        except NodeNotLoaded as error:
            if HALF_IMPORTED not in error.reason:
                raise
            time.sleep(pause)
    return _load_node(node)


def _load_node(node: Node) -> LoadedNode:
    """As ``umbel.nodes.loading.load``; a service at ``grpc://host:port/model`` is called over
    gRPC, and takes and gives V2 JSON as if it were called over HTTP."""
    if isinstance(node.code, ModelPool) and node.code.whole_requests:
        return _pool(node, node.code)
    if isinstance(node.code, RemoteService) and node.code.url.startswith(("grpc://", "grpcs://")):
        return _grpc_service(node, node.code)
    if isinstance(node.code, LibraryExplainer):
        return _explainer(node, node.code)
    return load(node)


def _explainer(node: Node, code: LibraryExplainer) -> LoadedNode:
    from umbel.explainers.opening import open_explainer

    try:
        opened = open_explainer(code, node.name)
    except MissingExtra:
        raise
    except DeclarationError as error:
        raise NodeNotLoaded(node.name, str(error)) from error
    except ImportError as error:
        raise NodeNotLoaded(node.name, f"{type(error).__name__}: {error}") from error
    return LoadedNode(node, opened.explain, opened.close)


def _pool(node: Node, code: ModelPool) -> LoadedNode:
    from umbel.serving.model_faces import load_pool_node  # graphs without pools need none of it

    try:
        return load_pool_node(node, code)
    except DeclarationError as error:
        raise NodeNotLoaded(node.name, str(error)) from error


def _grpc_service(node: Node, code: RemoteService) -> LoadedNode:
    try:
        from umbel.serving.grpc_protocol.remote_model import RemoteModel
    except ModuleNotFoundError as error:
        raise MissingExtra(f"node {node.name!r}", error.name or "grpcio", "grpc") from error
    try:
        model = RemoteModel(code)
    except DeclarationError as error:
        raise NodeNotLoaded(node.name, str(error)) from error
    return LoadedNode(node, model.post, model.close)
