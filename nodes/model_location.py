"""Which file of a folder is the model. KServe mounts a folder; a user may name the file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.nodes.descriptions import listing


def local_path(code: ModelFile) -> Path:
    """The path behind ``code.uri``, a plain path or a ``file://`` URL."""
    parts = urlsplit(code.uri)
    path = Path(unquote(parts.path) if parts.scheme == "file" else code.uri).expanduser()
    if not path.exists():
        raise DeclarationError(
            f"there is no model at {code.uri!r} (looked at {path.absolute()}); "
            "write the path of the file, or of the folder it lies in"
        )
    return path


def model_file(code: ModelFile, suffixes: tuple[str, ...], names: tuple[str, ...] = ()) -> Path:
    """The one file with a suffix of ``suffixes`` at ``code.uri``.

    In a folder, a file called ``model`` or one of ``names`` comes before others, in the order
    of ``suffixes``; two files of which neither has such a name are refused, not guessed.
    """
    path = local_path(code)
    if path.is_file():
        if path.suffix.lower() not in suffixes:
            raise DeclarationError(
                f"{path}: a {code.format!r} model ends in {_listed(suffixes)}, "
                f"not in {path.suffix or 'nothing'!r}"
            )
        return path
    for suffix in suffixes:
        for name in ("model", *names):
            if (path / (name + suffix)).is_file():
                return path / (name + suffix)
    found = sorted(
        file for file in path.iterdir() if file.is_file() and file.suffix.lower() in suffixes
    )
    if len(found) == 1:
        return found[0]
    if found:
        raise DeclarationError(
            f"the folder {path} holds {len(found)} {code.format!r} models: "
            f"{listing([file.name for file in found])}; name one in the uri, "
            f"or call it 'model{found[0].suffix}'"
        )
    there = listing(sorted(file.name for file in path.iterdir()))
    raise DeclarationError(
        f"the folder {path} holds no {code.format!r} model: expected one file that ends in "
        f"{_listed(suffixes)}, found {there}"
    )


def _listed(suffixes: tuple[str, ...]) -> str:
    return " or ".join(suffixes)
