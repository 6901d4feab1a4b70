"""Reading a Python file that declares graphs.

The file runs once, under a module name of its own that tells two files with one name apart,
with its folder on ``sys.path`` as if it had been started. A replica that must rebuild a graph
runs the same file again under the same name.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from umbel.graph.errors import DeclarationError
from umbel.graph.graph_definitions import GraphDefinition


@dataclass(frozen=True)
class PythonFile:
    """A file and, optionally, the variable in it that is wanted (``path.py:name``)."""

    path: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> PythonFile:
        """Read ``path.py`` or ``path.py:name``."""
        path, _, name = text.partition(".py:")
        return cls(f"{path}.py", name) if name else cls(text)


class SourceFailed(DeclarationError):
    """A graph file could not be run. The cause is the user's own exception, with a traceback
    that starts at the user's file."""


def module_name(path: Path) -> str:
    """The name a file's module gets: its stem and a digest of where it lies."""
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return f"umbel_file_{path.stem}_{digest}"


def load_module(path: str | Path) -> ModuleType:
    """Run the file, once per process. Raises ``SourceFailed`` from what it raised."""
    place = Path(path).resolve()
    name = module_name(place)
    if name in sys.modules:
        return sys.modules[name]
    if not place.is_file():
        raise DeclarationError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise DeclarationError(f"{path}: not a Python file")
    folder = str(place.parent)
    if folder not in sys.path:
        sys.path.append(folder)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise SourceFailed(f"{path} does not run: {type(error).__name__}: {error}") from error
    return module


def graphs_in(source: PythonFile) -> list[GraphDefinition]:
    """The graphs a file declares, in order; one if ``name`` is given.

    ``name`` is the variable's or the graph's own. Raises ``DeclarationError`` listing what
    there is when it is not found or the file declares none.
    """
    module = load_module(source.path)
    found: dict[str, GraphDefinition] = {}
    seen: list[GraphDefinition] = []
    for variable, value in vars(module).items():
        if isinstance(value, GraphDefinition) and not any(value is other for other in seen):
            found[variable] = value
            seen.append(value)
    if not source.name:
        own = [g for g in seen if Path(g.place.file).resolve() == Path(source.path).resolve()]
        if not own:
            raise DeclarationError(
                f"{source.path}: declares no graph; put @inference_graph above a function"
            )
        return own
    for variable, definition in found.items():
        if source.name in (variable, definition.name):
            return [definition]
    names = ", ".join(sorted(found)) or "none"
    raise DeclarationError(f"{source.path}: no graph {source.name!r}; there are: {names}")
