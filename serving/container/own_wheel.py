"""umbel itself in an image: the release from PyPI, or a wheel of the tree it runs from."""

from __future__ import annotations

import email
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from umbel.graph.errors import DeclarationError

SOURCE_DATE = "315619200"
"""1980-01-02, the first day a zip file can name: equal trees give equal wheels."""

_PARTS = ("graph", "nodes", "transformers", "explainers", "serving", "k8s", "src")
_FILES = ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")


@dataclass(frozen=True)
class Own:
    """``name``: a wheel's file name with its ``content``, or what pip is told to install.
    ``requires`` as in its metadata."""

    name: str
    requires: tuple[str, ...]
    content: bytes = b""


def own() -> Own:
    """umbel as it runs here. Raises DeclarationError where its wheel cannot be built."""
    tree = source_tree()
    if tree is None:
        here = metadata.distribution("umbel")
        return Own(f"umbel=={here.version}", tuple(here.requires or ()))
    name, content = build_wheel(tree)
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        (told,) = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
        about = email.message_from_bytes(wheel.read(told))
    return Own(name, tuple(about.get_all("Requires-Dist", [])), content)


def source_tree() -> Path | None:
    """The tree of an editable install; None for an installed release."""
    told = metadata.distribution("umbel").read_text("direct_url.json")
    if not told:
        return None
    about = json.loads(told)
    path = Path(unquote(urlsplit(about.get("url", "")).path))
    return path if about.get("dir_info", {}).get("editable") and path.is_dir() else None


def build_wheel(tree: Path) -> tuple[str, bytes]:
    """Name and content of the tree's wheel. Raises DeclarationError with what pip said."""
    with tempfile.TemporaryDirectory(prefix="umbel-wheel-") as room:
        copy, out = Path(room) / "tree", Path(room) / "out"
        copy.mkdir()
        leave = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        for part in _PARTS:
            shutil.copytree(tree / part, copy / part, symlinks=True, ignore=leave)
        for file in _FILES:
            shutil.copy(tree / file, copy / file)
        _same_modes(copy)
        done = subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation",
             "--disable-pip-version-check", "-q", "-w", str(out), str(copy)],
            capture_output=True, text=True, check=False,
            env={**os.environ, "SOURCE_DATE_EPOCH": SOURCE_DATE},
        )  # fmt: skip
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise DeclarationError(
                f"no wheel could be built of {tree}: {last[0]}; it takes pip and setuptools 77: "
                "pip install -U setuptools"
            )
        (wheel,) = out.glob("*.whl")
        return wheel.name, wheel.read_bytes()


def _same_modes(folder: Path) -> None:
    """A wheel records permissions, which depend on whoever checked the tree out."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
