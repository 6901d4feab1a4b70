"""The repository's Python source as data: modules, what they import, how long they are.

Reads files, imports nothing. The code folders are walked under their real paths: ``Path.rglob``
does not enter links before Python 3.13, so a walk through ``src/umbel`` would find nothing and
every rule would hold for no file.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "umbel"
FOLDERS = ("graph", "nodes", "transformers", "explainers", "serving", "k8s")
GENERATED = ("_pb2.py", "_pb2_grpc.py")


@dataclass(frozen=True)
class Import:
    """One imported module. ``target`` is dotted: for ``from a import b`` it is ``a``, or, where
    ``b`` is a module of ours, ``a.b`` is the target. ``late``: not run when the module is imported
    (in a function, or under ``if TYPE_CHECKING``)."""

    target: str
    line: int
    late: bool
    relative: bool = False


@dataclass(frozen=True)
class Module:
    """``name`` as it is imported, ``path`` its real file."""

    name: str
    path: Path

    @property
    def place(self) -> str:
        """The file relative to the repository's root."""
        return str(self.path.relative_to(ROOT))

    @property
    def layer(self) -> str:
        """``graph``, ``nodes``, …; ``front`` for the modules of ``src/umbel`` itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 and parts[1] in FOLDERS else "front"

    @functools.cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())


@functools.cache
def modules() -> tuple[Module, ...]:
    """Every module of the package. Raises LookupError for a folder without any file at all in
    a tree that should have some: a rule that is checked on nothing always holds."""
    found = [*_front()]
    for folder in FOLDERS:
        found += [Module(_dotted(path, ROOT, PACKAGE), path) for path in _python(ROOT / folder)]
    if len(found) < len(FOLDERS) or not any(module.layer == "graph" for module in found):
        raise LookupError(f"found only {len(found)} Python files under {ROOT}")
    return tuple(found)


@functools.cache
def module_names() -> frozenset[str]:
    return frozenset(module.name for module in modules())


def _front() -> Iterator[Module]:
    base = ROOT / "src" / PACKAGE
    for path in _python(base):
        if path.relative_to(base).parts[0] not in FOLDERS:
            yield Module(_dotted(path, base.parent, ""), path)


def _python(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise LookupError(f"{folder} is missing; git keeps a folder that has a README.md")
    return sorted(path for path in folder.rglob("*.py") if not path.name.endswith(GENERATED))


def _dotted(path: Path, base: Path, prefix: str) -> str:
    parts = path.relative_to(base).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join((prefix, *parts) if prefix else parts)


@functools.cache
def imports(module: Module) -> tuple[Import, ...]:
    """All of them, also those inside functions and ``importlib.import_module("literal")``."""
    return tuple(_imports_below(module.tree, late=False))


def _imports_below(node: ast.AST, *, late: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        yield from _imports_of(child, late)
        yield from _imports_below(child, late=late or _runs_later(child))


def _runs_later(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test).endswith("TYPE_CHECKING")
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def _imports_of(node: ast.AST, late: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, late)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        for alias in node.names:
            target = f"{base}.{alias.name}"
            target = target if _is_module(target) else base
            yield Import(target, node.lineno, late, relative=node.level > 0)
    elif isinstance(node, ast.Call) and _is_import_module(node.func):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield Import(first.value, node.lineno, late)


def _is_module(name: str) -> bool:
    return name in module_names() or name in {f"{PACKAGE}.{folder}" for folder in FOLDERS}


def _is_import_module(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        base = function.value
        return function.attr == "import_module" and getattr(base, "id", "") == "importlib"
    return isinstance(function, ast.Name) and function.id in {"import_module", "__import__"}


@dataclass(frozen=True)
class Function:
    """``lines`` from ``def`` to the end, without the docstring."""

    module: Module
    name: str
    line: int
    lines: int
    annotated: bool

    @property
    def place(self) -> str:
        return f"{self.module.place}:{self.line} {self.name}"


@functools.cache
def functions(module: Module) -> tuple[Function, ...]:
    """Every function and method, nested ones too."""
    return tuple(_functions(module))


def _functions(module: Module) -> Iterator[Function]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1 - _docstring_lines(node)
            yield Function(module, node.name, node.lineno, lines, node.returns is not None)


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(node, clean=False) is None:
        return 0
    first = node.body[0]
    assert first.end_lineno is not None
    return first.end_lineno - first.lineno + 1
