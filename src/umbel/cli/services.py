"""``--service NAME=URL``: where what umbel does not start itself runs already."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import urlsplit


def add_services(verb: Any) -> None:
    """Declare the flag."""
    verb.add_argument(
        "--service",
        action="append",
        type=_service,
        default=[],
        metavar="NAME=URL",
        help="where a container of the files runs (NAME is the service's with -predictor, "
        "-transformer or -explainer), or a service that a graph names; may be repeated",
    )


def services_of(arguments: argparse.Namespace) -> dict[str, str]:
    """URL by name."""
    return dict(arguments.service)


def _service(text: str) -> tuple[str, str]:
    name, equals, url = text.partition("=")
    parts = urlsplit(url)
    if not (name and equals and parts.scheme in ("http", "https") and parts.netloc):
        raise argparse.ArgumentTypeError(f"expected NAME=http://HOST:PORT, got {text}")
    return name, url
