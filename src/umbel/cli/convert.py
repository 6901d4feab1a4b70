"""``umbel convert MODEL --to FORMAT``: a model in another format, with the same answers."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umbel.cli.run import ALLOW_PICKLE

if TYPE_CHECKING:
    from umbel.nodes.conversion.converting import Converted


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("convert", help="a model in another format, compared with the first")
    verb.add_argument("model", metavar="MODEL", help="a path, a folder, or an URL of a store")
    verb.add_argument("--to", required=True, choices=("onnx", "torch-export"))
    verb.add_argument("-o", "--out", type=Path, metavar="OUT", help="default: next to MODEL")
    verb.add_argument("--format", default="", help="of MODEL, where its name does not tell")
    verb.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
        help="a setting of MODEL's format, such as method=predict_proba; may be repeated",
    )  # fmt: skip
    verb.add_argument(
        "--sample", type=Path, metavar="FILE", help="inputs to compare on: .npy .npz .csv .json"
    )
    verb.add_argument(
        "--tolerance", type=float, default=1e-4,
        help="largest difference: absolute up to 1, relative above",
    )  # fmt: skip
    verb.add_argument("--force", action="store_true", help="replace OUT if it is there")
    verb.add_argument(
        "--allow-pickle",
        action="store_true",
        help="read a model that is a pickle; reading one runs its author's code",
    )
    verb.add_argument("--json", action="store_true")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Convert and compare; prints the largest difference."""
    from umbel.nodes.conversion.converting import Conversion, convert

    if arguments.allow_pickle:
        os.environ[ALLOW_PICKLE] = "1"
    done = convert(
        Conversion(
            arguments.model,
            arguments.to,
            arguments.out,
            arguments.format,
            dict(_setting(text) for text in arguments.settings),
            arguments.sample,
            arguments.tolerance,
            arguments.force,
        )
    )
    print(json.dumps(_as_data(done), indent=2) if arguments.json else _as_text(done))
    if not arguments.json:
        for note in done.notes:
            print(f"note: {note}", file=sys.stderr)
    return 0


def _setting(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _as_data(done: Converted) -> dict[str, Any]:
    found = done.found
    return {
        "out": str(done.out),
        "format": done.format,
        "rows": found.rows,
        "largestDifference": found.largest,
        "classesCompared": found.labels,
        "classesDiffering": found.differing,
        "distinctClasses": found.distinct,
        "notes": list(done.notes),
    }


def _as_text(done: Converted) -> str:
    found = done.found
    told = f"compared on {found.rows} rows: largest difference {found.largest:.3g}"
    if found.labels:
        told += f", {found.labels - found.differing} of {found.labels} classes agree"
        told += f" ({found.distinct} different ones)"
    return f'{done.out}\n{told}\nserve it: predictor("{done.format}", uri="{done.out}")'
