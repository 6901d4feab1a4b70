"""Which files of their own a graph's Python files import, and which libraries.

Read from the source, so that an import inside a function counts as well.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from umbel.graph.errors import DeclarationError


@dataclass(frozen=True)
class Code:
    """``files`` lie in the graph's own folder; ``libraries`` are dotted names of others'."""

    files: frozenset[Path]
    libraries: frozenset[str]


def code_of(files: Iterable[Path], modules: Iterable[tuple[str, Path]] = ()) -> Code:
    """What the files need, and the modules named besides (a dotted name and the folder it is
    looked up in). Raises DeclarationError for a module that lies neither in the graph's folder
    nor in an installed library."""
    found: set[Path] = set()
    libraries: set[str] = set()
    waiting = [(file.resolve(), file.resolve().parent) for file in files]
    for name, folder in modules:
        local = _local(name, folder.resolve())
        waiting += [(file, folder.resolve()) for file in local]
        if not local:
            libraries.add(name)
    while waiting:
        file, folder = waiting.pop()
        if file in found:
            continue
        found.add(file)
        for name in _imports(file, folder):
            local = _local(name, folder)
            waiting += [(one, folder) for one in local]
            if not local and name.partition(".")[0] not in sys.stdlib_module_names:
                libraries.add(name)
    for name in sorted(libraries):
        _refuse_elsewhere(name)
    return Code(frozenset(found), frozenset(libraries))


def imported_names(file: Path) -> set[str]:
    """The dotted names that a file imports, those of its own package included."""
    return set(_imports(file, file.parent))


def _imports(file: Path, folder: Path) -> list[str]:
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        raise DeclarationError(f"{file} is not Python: {error}") from error
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, file, folder)
            names += [base] if base else []
            names += [f"{base}.{alias.name}".lstrip(".") for alias in node.names]
    return names


def _absolute(node: ast.ImportFrom, file: Path, folder: Path) -> str:
    if not node.level:
        return node.module or ""
    package = file.parent
    for _ in range(node.level - 1):
        package = package.parent
    parts = package.relative_to(folder).parts if package.is_relative_to(folder) else ()
    return ".".join([*parts, *([node.module] if node.module else [])])


def _local(name: str, folder: Path) -> list[Path]:
    """The files that importing ``name`` runs, from the outermost package on."""
    files: list[Path] = []
    place = folder
    for part in name.split("."):
        place = place / part
        package, module = place / "__init__.py", place.with_name(f"{part}.py")
        if package.is_file():
            files.append(package)
        elif module.is_file():
            return [*files, module]
        elif not place.is_dir():
            break
    return files


def _refuse_elsewhere(name: str) -> None:
    """A module of the user's that lies neither here nor in site-packages."""
    top = name.partition(".")[0]
    if top == "umbel":
        return
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return
    origin = spec.origin if spec is not None else None
    if origin and origin.endswith(".py") and "-packages" not in origin:
        if Path(origin).is_relative_to(Path(sys.base_prefix) / "lib"):
            return
        raise DeclarationError(
            f"the module {top!r} is imported from {origin}, which is neither an installed library "
            "nor in the graph's folder: put it next to the graph, or install it"
        )
