"""``umbel call NAME|URL -d BODY``: send a request, print the answer and the path it took."""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import urllib.parse
from pathlib import Path
from typing import Any

from umbel.graph.errors import DeclarationError

PATH_HEADER = "umbel-path"


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("call", help="send a V1 or V2 request, print the answer and the path")
    verb.add_argument("target", metavar="NAME|URL", help="a graph's name or its URL")
    verb.add_argument(
        "-d", "--data", required=True, metavar="@FILE|JSON", help="the body; @- reads stdin"
    )
    verb.add_argument("--server", default="http://127.0.0.1:8000", help="where NAME is served")
    verb.add_argument("--timeout", type=float, default=60.0, help="seconds")
    verb.add_argument("--json", action="store_true", help="status, body and path as one object")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send the request; 1 if the answer is an error."""
    target: str = arguments.target
    url = target if "://" in target else f"{arguments.server.rstrip('/')}/{target}"
    status, body, path = post(url, read_data(arguments.data), arguments.timeout)
    if arguments.json:
        print(json.dumps({"status": status, "body": _readable(body), "path": path}))
    else:
        print(body.decode("utf-8", "replace"))
        print(f"path: {path or '-'}", file=sys.stderr)
        if status >= 400:
            print(f"status: {status}", file=sys.stderr)
    return 0 if status < 400 else 1


def read_data(data: str) -> bytes:
    """The body: literal, ``@file`` or ``@-``."""
    if data == "@-":
        return sys.stdin.buffer.read()
    if not data.startswith("@"):
        return data.encode()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise DeclarationError(f"{data[1:]}: {error.strerror}") from error


def post(url: str, body: bytes, timeout: float) -> tuple[int, bytes, str]:
    """Status, body and path of one POST. Raises ``DeclarationError`` if nobody answers."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DeclarationError(f"{url}: expected http://host:port/NAME")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(
            "POST", parts.path or "/", body, {"Content-Type": "application/json", PATH_HEADER: "1"}
        )
        reply = connection.getresponse()
        return reply.status, reply.read(), reply.getheader(PATH_HEADER) or ""
    except OSError as error:
        raise DeclarationError(f"{url} does not answer: {error}") from error
    finally:
        connection.close()


def _readable(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
