"""Another test module's contents: test folders are no packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any


def neighbour(path: Path) -> Any:
    """The module of a file."""
    spec = importlib.util.spec_from_file_location(f"neighbour_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
