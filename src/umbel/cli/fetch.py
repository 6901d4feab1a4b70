"""``umbel k8s fetch URI FOLDER…``: a model into a folder, before a container starts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from umbel.graph.errors import DeclarationError


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("fetch", help="download models into folders, for containers")
    verb.add_argument("pairs", nargs="+", metavar="URI FOLDER", help="as many as are wanted")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Download each; the first that cannot be had ends it."""
    from umbel.nodes.storage.provisioning import forget_downloads, provide

    words: list[str] = arguments.pairs
    if len(words) % 2:
        raise DeclarationError(f"expected URI FOLDER pairs, got {len(words)} words")
    for uri, folder in zip(words[::2], words[1::2], strict=True):
        names = provide(uri, Path(folder))
        print(f"{uri}: {', '.join(names)} in {folder}", flush=True)
    forget_downloads()
    return 0
