"""``umbel show FILE --as FORM``: the picture."""

from __future__ import annotations

import argparse
from typing import Any

from umbel.cli import files
from umbel.graph.picture import RENDERERS, draw


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("show", help="the graph as a tree, Mermaid, DOT or JSON")
    verb.add_argument("files", nargs="+", metavar="FILE")
    verb.add_argument("--as", dest="form", choices=sorted(RENDERERS), default="tree")
    verb.add_argument("--json", dest="form", action="store_const", const="json")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the picture. A graph with findings is drawn all the same, if there is one."""
    loaded = files.load(arguments.files)
    if not loaded.program.served:
        loaded.or_raise()
    print(draw(loaded.program, arguments.form))
    return 0
