"""A model put into a folder for a server that is not umbel's: what KServe's storage initializer
does before a container starts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage.fetching import fetch
from umbel.nodes.storage.model_cache import ModelCache

_READ, _ENTER = 0o444, 0o111
"""The server runs as a user that nobody knows here."""


def provide(uri: str, folder: Path) -> list[str]:
    """Download what ``uri`` names into ``folder``: a folder's contents, or the one file. What
    lies there under the same names is replaced. Gives the names, sorted. May take long.

    Raises DeclarationError, saying what to do.
    """
    found = fetch(uri)
    inside = sorted(found.iterdir()) if found.is_dir() else [found]
    if not inside:
        raise DeclarationError(f"{uri} is empty: there is no file below it")
    cached = found.resolve().is_relative_to(ModelCache().root.resolve())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in inside:
            _put(one, folder / one.name, move=cached)
    except OSError as error:
        raise DeclarationError(f"{folder} cannot hold the model: {error}") from error
    return [one.name for one in inside]


def forget_downloads() -> None:
    """Remove the cache: what was in it has been moved away."""
    shutil.rmtree(ModelCache().root, ignore_errors=True)


def _put(source: Path, target: Path, *, move: bool) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    elif target.exists() or target.is_symlink():
        target.unlink()
    if move:
        shutil.move(source, target)
    elif source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)
    for path in (target, *(target.rglob("*") if target.is_dir() else ())):
        if not path.is_symlink():
            more = _READ | (_ENTER if path.is_dir() else 0)
            os.chmod(path, path.stat().st_mode | more)
