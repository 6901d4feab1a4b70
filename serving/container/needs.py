"""What a program's nodes need: umbel's extras, model files, and code besides the graph's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from umbel.explainers.methods import METHODS
from umbel.graph.implementations import (
    Implementation,
    LibraryExplainer,
    ModelFile,
    ModelPool,
    PythonClass,
    RemoteService,
)
from umbel.graph.ir import Node, Program
from umbel.nodes.model_formats import FORMATS
from umbel.nodes.storage.locations import locate
from umbel.nodes.storage.object_store import EXTRAS


@dataclass(frozen=True)
class Needs:
    """``models``: paths of this machine; ``addresses``: models that stay where they are;
    ``modules``: dotted names that nodes name, with the folder they are looked up in."""

    extras: frozenset[str]
    models: frozenset[Path]
    addresses: frozenset[str]
    modules: frozenset[tuple[str, str]]


def needs_of(program: Program) -> Needs:
    """What the nodes of all graphs need. Raises DeclarationError for an unknown address."""
    extras: set[str] = set()
    models: set[Path] = set()
    addresses: set[str] = set()
    modules: set[tuple[str, str]] = set()
    for node in nodes_of(program):
        extras |= set(_extras(node))
        modules |= set(_modules(node.code))
        for uri in _uris(node.code):
            location = locate(uri)
            if location.store == "file" and not uri.startswith("pvc://"):
                models.add(Path(location.address))
                continue
            addresses.add(location.shown)
            if location.store == "fsspec":
                extras.add(EXTRAS.get(location.protocol, ("fsspec", "storage"))[1])
                extras.add("storage")
            elif location.store == "oci":
                extras.add("oci")
    return Needs(frozenset(extras), frozenset(models), frozenset(addresses), frozenset(modules))


def nodes_of(program: Program) -> Iterator[Node]:
    """Every node of every graph."""
    for graph in program.graphs.values():
        yield from graph.nodes.values()


def _files(code: Implementation) -> Iterator[ModelFile]:
    if isinstance(code, ModelFile):
        yield code
    elif isinstance(code, ModelPool):
        yield from code.models.values()
        if code.folder is not None:
            yield code.folder
    elif isinstance(code, LibraryExplainer) and code.model is not None:
        yield code.model


def _extras(node: Node) -> Iterator[str]:
    for file in _files(node.code):
        if file.format in FORMATS:
            yield FORMATS[file.format].extra
    if isinstance(node.code, LibraryExplainer) and node.code.method in METHODS:
        yield from METHODS[node.code.method].extra.split(",")
    if isinstance(node.code, RemoteService) and node.code.url.startswith("grpc"):
        yield "grpc"
    cache = node.options.cache
    if cache is not None and cache.redis:
        yield "redis"


def _uris(code: Implementation) -> Iterator[str]:
    for file in _files(code):
        yield file.uri
    if isinstance(code, LibraryExplainer) and code.uri:
        yield code.uri


def _modules(code: Implementation) -> Iterator[tuple[str, str]]:
    if isinstance(code, PythonClass):
        yield code.reference.partition(":")[0], code.folder
    for file in _files(code):
        named = file.options.get("class")
        if isinstance(named, str) and ":" in named:
            yield named.partition(":")[0], ""
