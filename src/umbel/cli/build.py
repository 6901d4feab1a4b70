"""``umbel build FILE…``: a folder from which a container image is built."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from umbel.cli import files
from umbel.cli.reporting import print_findings


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("build", help="a container build context that serves the graphs")
    verb.add_argument("files", nargs="+", metavar="FILE")
    verb.add_argument(
        "-o", "--out", type=Path, default=Path("image"), metavar="DIR", help="where it is written"
    )
    verb.add_argument(
        "--include", type=Path, action="append", default=[], metavar="PATH",
        help="a further file or folder that the code reads; may be repeated",
    )  # fmt: skip
    verb.add_argument("--base", default="", help="base image; default: python:VERSION-slim")
    verb.add_argument("--local", action="store_true", help="serve without Ray")
    verb.add_argument(
        "--allow-pickle",
        action="store_true",
        help="let the image load pickles; reading one runs its author's code",
    )
    verb.add_argument("--force", action="store_true", help="replace a context that is there")
    verb.add_argument("--json", action="store_true")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check the graphs and write the context."""
    from umbel.serving.container.building import Build, build

    loaded = files.load(arguments.files).or_raise()
    print_findings(loaded.findings)
    done = build(
        Build(
            arguments.files,
            arguments.out,
            arguments.include,
            arguments.base,
            arguments.local,
            arguments.allow_pickle,
            arguments.force,
        ),
        loaded.program,
    )
    if arguments.json:
        told = {
            "out": str(done.out),
            "app": list(done.app),
            "libraries": dict(done.libraries.versions),
            "addresses": list(done.addresses),
            "command": list(done.command),
        }
        print(json.dumps(told, indent=2))
    else:
        print(f"{done.out}: {len(done.app)} files, {len(done.libraries.versions)} libraries")
        print(f"docker build -t {loaded.program.served[0].lower()} {done.out}")
    return 0
