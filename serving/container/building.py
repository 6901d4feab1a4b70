"""From checked graphs to a build context, complete and the same each time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from umbel.graph.errors import DeclarationError
from umbel.graph.ir import Program
from umbel.graph.source import PythonFile
from umbel.serving.container import own_wheel
from umbel.serving.container.context_files import IGNORED, Image
from umbel.serving.container.local_code import Code, code_of, imported_names
from umbel.serving.container.locked import Locked, locked
from umbel.serving.container.needs import Needs, needs_of
from umbel.serving.container.own_wheel import Own

_LOOK = """
import json, sys
from umbel.cli import files
from umbel.serving.container.needs import needs_of
loaded = files.load(sys.argv[1:]).or_raise()
print(json.dumps([str(path.resolve()) for path in needs_of(loaded.program).models]))
"""


@dataclass(frozen=True)
class Build:
    """What is asked for. ``files`` as ``umbel run`` takes them; ``include``: further files or
    folders that the code reads; ``base``: the image it starts from, empty for Python's own."""

    files: Sequence[str]
    out: Path
    include: Sequence[Path] = ()
    base: str = ""
    local: bool = False
    allow_pickle: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Built:
    """What was written: its folder, how many files the app has, and the locked libraries."""

    out: Path
    app: tuple[str, ...]
    libraries: Locked
    addresses: tuple[str, ...]
    command: tuple[str, ...]


def build(asked: Build, program: Program) -> Built:
    """Write the context of ``program``, which ``asked.files`` declare and which was checked.

    The folder is put in place at once, after the copied graph was read from there. Raises
    DeclarationError.
    """
    _refuse_what_is_there(asked)
    sources = [Path(PythonFile.parse(file).path).resolve() for file in asked.files]
    needs = needs_of(program)
    code = _code(sources, needs)
    paths = {*sources, *code.files, *needs.models, *(path.resolve() for path in asked.include)}
    root = _root(paths)
    extras = {*needs.extras, "grpc", *(() if asked.local else ("ray",))}
    own = own_wheel.own()
    libraries = locked(own.requires, extras, _libraries(code))
    asked.out.resolve().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=".umbel-build-", dir=asked.out.resolve().parent
    ) as room:
        draft = Path(room) / "context"
        app = _copy(paths, root, draft / "app")
        relative = [_relative(file, root) for file in asked.files]
        _look_at_copy(draft / "app", relative)
        image = _image(asked, program, relative, libraries, own)
        _write(draft, image, libraries, own, sorted(needs.addresses))
        _same_modes(draft)
        if asked.out.exists():
            shutil.rmtree(asked.out)
        draft.rename(asked.out)
    addresses = tuple(sorted(needs.addresses))
    return Built(asked.out, tuple(app), libraries, addresses, tuple(image.command()))


def _refuse_what_is_there(asked: Build) -> None:
    out = asked.out
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (asked.overwrite and (out / "Dockerfile").is_file()):
        raise DeclarationError(
            f"{out} is there already: name another folder with -o, or add --force to replace a "
            "context that was built before"
        )


def _code(sources: Sequence[Path], needs: Needs) -> Code:
    python = [source for source in sources if source.suffix == ".py"]
    home = sources[0].parent
    modules = [(name, Path(folder) if folder else home) for name, folder in needs.modules]
    return code_of(python, modules)


def _libraries(code: Code) -> set[str]:
    """With those that umbel's own steps import, for steps that the graph imports."""
    found = set(code.libraries)
    for name in code.libraries:
        if name.startswith(("umbel.transformers.", "umbel.explainers.")):
            parts = name.split(".")[1:3]
            file = Path(own_wheel.__file__).parents[2].joinpath(*parts).with_suffix(".py")
            if file.is_file():
                found |= imported_names(file)
    return found


def _root(paths: set[Path]) -> Path:
    """The folder that holds all that is copied; its parts keep their places below it."""
    tops = [str(path.parent.absolute()) for path in paths]
    root = Path(os.path.commonpath([os.path.normpath(top) for top in tops]))
    if len(root.parts) < 3 or root == Path.home():
        listed = ", ".join(sorted(tops))
        raise DeclarationError(
            f"the graph, its modules and its models share no folder of their own ({listed}): put "
            "them into one, or give the models as addresses of a store"
        )
    return root


def _copy(paths: set[Path], root: Path, app: Path) -> list[str]:
    copied: list[str] = []
    for path in sorted(Path(os.path.normpath(path.absolute())) for path in paths):
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        if not files:
            raise DeclarationError(f"{path}: there is nothing to copy")
        for file in files:
            if "__pycache__" in file.parts:
                continue
            target = app / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            copied.append(file.relative_to(root).as_posix())
    return sorted(set(copied))


def _relative(file: str, root: Path) -> str:
    parsed = PythonFile.parse(file)
    path = Path(parsed.path).resolve().relative_to(root).as_posix()
    return f"{path}:{parsed.name}" if parsed.name else path


def _look_at_copy(app: Path, files: Sequence[str]) -> None:
    """Read the copied graph in a process of its own: it must find its modules and models there."""
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, *files],
        cwd=app, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise DeclarationError(
            f"the copied graph cannot be read in a folder of its own: {last[0]}; what its code "
            "reads besides modules and models is named with --include PATH"
        )
    outside = [
        path for path in json.loads(done.stdout.splitlines()[-1])
        if not Path(path).is_relative_to(app.resolve())
    ]  # fmt: skip
    if outside:
        raise DeclarationError(
            f"models are named by absolute paths, which an image does not have: "
            f"{', '.join(sorted(outside))}; write them relative to the graph's file"
        )


def _image(
    asked: Build, program: Program, files: Sequence[str], libraries: Locked, own: Own
) -> Image:
    base = asked.base or f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    return Image(
        base,
        own.name,
        files,
        tuple(program.served),
        frozenset(libraries.versions),
        asked.local,
        asked.allow_pickle,
    )


def _write(
    draft: Path, image: Image, libraries: Locked, own: Own, addresses: Sequence[str]
) -> None:
    if own.content:
        (draft / "wheels").mkdir()
        (draft / "wheels" / own.name).write_bytes(own.content)
    (draft / "Dockerfile").write_text(image.dockerfile())
    (draft / ".dockerignore").write_text(IGNORED)
    (draft / "requirements.txt").write_text(libraries.text())
    (draft / "README.md").write_text(image.readme(addresses))


def _same_modes(folder: Path) -> None:
    """Readable for the container's user, whoever built it."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
