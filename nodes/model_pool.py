"""A pool's models, found by name and opened one by one: what `resident_models` keeps.

How large a model is: what its user said, the size of its file, and what the process grew by
while it was opened, the largest of them. The first model of a format also loads its library, so
its growth is not counted; and growth beyond many times the file is not the model's. A model that
was never opened is expected to be as large for its file as others of its format were.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from umbel.graph.errors import DeclarationError, NotFound, NotReady
from umbel.graph.implementations import ModelFile, ModelPool
from umbel.graph.ir import Node
from umbel.graph.options import NodeOptions
from umbel.graph.steps import NodeName
from umbel.nodes.daemon_threads import in_daemon_thread
from umbel.nodes.descriptions import clip
from umbel.nodes.loaded import LoadedNode
from umbel.nodes.loading import format_module, load
from umbel.nodes.request_context import current_request
from umbel.nodes.resident_models import ResidentModels
from umbel.nodes.storage.fetching import fetch

log = logging.getLogger("umbel.nodes")

MODEL = "model"
"""The input of a pool that says which model is meant."""

_MOST_GROWTH = 16
"""Times its file's size that a model is taken to grow to in memory, and 1 MiB: formats may be
compressed, and other requests use memory meanwhile."""

_REMEMBERED = 99
"""Models of a format from which the size of the next is expected."""


@dataclass(frozen=True)
class FetchedModel:
    """A model's file on this machine."""

    code: ModelFile
    path: Path
    size: int


class ModelFiles:
    """The models that a pool's node declares, as loaded nodes."""

    def __init__(self, node: Node, code: ModelPool) -> None:
        self._node, self._pool = node, code
        self._growth: dict[str, list[float]] = {}

    def find(self, name: str) -> ModelFile:
        """Where the model called ``name`` lies. Raises NotFound."""
        known = self._pool.models.get(name) or _in_folder(self._pool.folder).get(name)
        if known is None:
            raise NotFound(f"Model with name {clip(name)} does not exist.")
        return known

    async def prepare(self, name: str) -> tuple[FetchedModel, int, int]:
        """Fetch the model's file. Raises NotFound, or NotReady with the reason."""
        code = self.find(name)
        try:
            path, size = await in_daemon_thread(lambda: _fetched(code), f"umbel-fetch-{name}")
        except DeclarationError as error:
            raise _not_loaded(name, error) from error
        least = max(size, self._pool.declared.get(name, 0))
        times = self._growth.get(code.format) or [1.0]
        return FetchedModel(code, path, size), least, int(size * sum(times) / len(times))

    async def open(self, name: str, prepared: FetchedModel) -> tuple[LoadedNode, int]:
        """The model as a node, with the bytes it is taken to use. Raises NotReady."""
        options = replace(self._node.options, cache=None)
        ports = tuple(p for p in self._node.signature.inputs if p.name != MODEL)
        signature = replace(self._node.signature, inputs=ports)
        node = replace(
            self._node,
            name=NodeName(name),
            code=prepared.code,
            signature=signature,
            options=options,
        )
        try:
            return await in_daemon_thread(lambda: self._open(node, prepared), f"umbel-load-{name}")
        except DeclarationError as error:
            raise _not_loaded(name, error) from error

    def _open(self, node: Node, prepared: FetchedModel) -> tuple[LoadedNode, int]:
        format_module(prepared.code, node.name)
        before = _memory()
        loaded = load(node, prepared.path)
        grown = _memory() - before
        growth = self._growth.get(prepared.code.format)
        if growth is None:
            self._growth[prepared.code.format] = []
            return loaded, prepared.size
        size = max(prepared.size, min(grown, _MOST_GROWTH * prepared.size + (1 << 20)))
        if grown > 0:  # else it fits into memory that an earlier model has left
            growth[:] = [*growth[-_REMEMBERED:], size / max(prepared.size, 1)]
        return loaded, size

    async def close(self, value: LoadedNode) -> None:
        """Close a model's node."""
        await value.close()


class LoadedPool(LoadedNode):
    """The node of a pool, with what it has in memory."""

    def __init__(
        self,
        node: Node,
        function: Callable[..., Any],
        close: Callable[[], Any],
        models: ResidentModels[Any, Any],
    ) -> None:
        super().__init__(without_batching(node), function, close)
        self.models = models


class PooledModels:
    """Calls of a pool's models with values: each with the model's name in ``model``."""

    def __init__(self, node: Node, code: ModelPool) -> None:
        self.models = ResidentModels(ModelFiles(node, code), code.budget)

    async def predict(self, **values: Any) -> Any:
        """The answer of the model that ``model`` names. Raises NotFound, NotReady, and what the
        model raises."""
        name = values.pop(MODEL)
        async with self.models.use(str(name)) as loaded:
            return await loaded(values, current_request())

    async def close(self) -> None:
        """Let go of all models."""
        await self.models.close()


def load_pool(node: Node) -> LoadedNode:
    """The node of a pool. No model is loaded yet; a folder that is not there is an error."""
    if not isinstance(node.code, ModelPool):
        raise TypeError(f"{node.name!r} is no pool of models")
    model_names(node.code)
    pool = PooledModels(node, node.code)
    return LoadedPool(node, pool.predict, pool.close, pool.models)


def without_batching(node: Node) -> Node:
    """The node of a pool itself: calls of different models are not joined. Each model's own
    calls are."""
    kept: NodeOptions = replace(node.options, batch=None, cache=None)
    return replace(node, options=kept)


def model_names(code: ModelPool) -> list[str]:
    """The names of a pool's models now, sorted. Raises DeclarationError if its folder is gone."""
    return sorted({*code.models, *_in_folder(code.folder)})


def has_model(code: ModelPool, name: str) -> bool:
    """Whether a pool has a model of this name now."""
    return name in code.models or (code.folder is not None and name in _in_folder(code.folder))


def _in_folder(folder: ModelFile | None) -> dict[str, ModelFile]:
    if folder is None:
        return {}
    try:
        entries = _entries(folder.uri, Path(folder.uri).stat().st_mtime_ns)
    except OSError as error:
        raise DeclarationError(
            f"the folder of models {folder.uri} cannot be read: {error.strerror}"
        ) from error
    return {name: replace(folder, uri=path) for name, path in entries}


@functools.lru_cache(maxsize=16)
def _entries(folder: str, changed: int) -> tuple[tuple[str, str], ...]:
    """Name and path of each model in a folder, as it is since ``changed``."""
    found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    return tuple(
        (Path(entry.name).stem if entry.is_file() else entry.name, entry.path)
        for entry in found
        if not entry.name.startswith((".", "_"))
    )


def _fetched(code: ModelFile) -> tuple[Path, int]:
    path = fetch(code.uri)
    return path, _size(path)


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _memory() -> int:
    return int(psutil.Process().memory_info().rss)


def _not_loaded(name: str, error: DeclarationError) -> NotReady:
    log.error("model %r cannot be loaded: %s", name, error)
    return NotReady(f"model {clip(name)!r} cannot be loaded: {getattr(error, 'reason', error)}")
