"""Stands between Ray Serve and the HAProxy binary and corrects the configuration.

Ray writes HAProxy's configuration from a template that binds the statistics page and the
metrics to all interfaces on fixed ports, and answers in plain text. Ray lets the binary be
named (``RAY_SERVE_HAPROXY_BINARY_PATH``), so umbel names this script: it rewrites the file
that Ray wrote just before, then becomes HAProxy. Ray itself talks to HAProxy's admin socket
and never to the two frontends that go.

Run as ``python -IS haproxy_launcher.py HOST HAPROXY ARGUMENT...``; standard library only, as it
runs at every change of the replicas.
"""

from __future__ import annotations

import itertools
import os
import re
import sys

_REMOVED = ("frontend prometheus", "listen stats")
_SECTION = re.compile(r"^(global|defaults|frontend|backend|listen)\b", re.MULTILINE)
_ANY_INTERFACE = re.compile(r"^\s*bind\s+(\*|0\.0\.0\.0|\[?::\]?)?:\d+", re.MULTILINE)
_FRONTEND_BIND = re.compile(r"(^frontend http_frontend\n\s*bind )\S+(:\d+)", re.MULTILINE)
_NOT_FOUND = re.compile(r"^(\s*)http-request return status 404 [^\n]*$", re.MULTILINE)
_ERROR_FILE = re.compile(r"^(\s*)errorfile (50[234]) [^\n]*$", re.MULTILINE)

_MESSAGES = {
    "502": "The replica closed the connection without a valid answer.",
    "503": "No replica is ready to answer.",
    "504": "The replica did not answer in time.",
}


def rewrite(configuration: str, host: str) -> str:
    """Ray's configuration with one frontend, on ``host``, and with errors in JSON.

    Serve is given loopback, as it binds the replicas' ports to the same address as the
    frontend; the frontend alone is moved to ``host``. An unknown path is 404, or 503 as long
    as nothing at all is served. An error of HAProxy's own keeps its status (502, 503, 504),
    where Ray makes all of them 500. Raises ValueError where something else would listen on
    every interface: a Ray whose template changed must not open a port.
    """
    text = "".join(part for part in _sections(configuration) if not part.startswith(_REMOVED))
    if found := _ANY_INTERFACE.search(text):
        raise ValueError(
            f"HAProxy would listen on every interface ({found.group().strip()!r}): "
            "this version of Ray writes a configuration umbel does not know"
        )
    text = _FRONTEND_BIND.sub(rf"\g<1>{_address(host)}\g<2>", text)
    text = _NOT_FOUND.sub(_not_found if "use_backend " in text else _not_yet, text)
    return _ERROR_FILE.sub(_own_error, text)


def _address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _sections(configuration: str) -> list[str]:
    starts = [match.start() for match in _SECTION.finditer(configuration)]
    bounds = [0, *[start for start in starts if start], len(configuration)]
    return [configuration[a:b] for a, b in itertools.pairwise(bounds)]


def _not_found(line: re.Match[str]) -> str:
    body = (
        r"{\"error\":\"Nothing is served at %[path,json(utf8s)]. "
        r"GET /-/routes lists what is.\"}"
    )
    return (
        f"{line.group(1)}http-request return status 404 "
        f'content-type application/json lf-string "{body}"'
    )


def _not_yet(line: re.Match[str]) -> str:
    """Before the first graph is up no path is wrong."""
    body = r"{\"error\":\"Nothing is served yet.\"}"
    return (
        f"{line.group(1)}http-request return status 503 content-type application/json "
        f'string "{body}" hdr retry-after 1'
    )


def _own_error(line: re.Match[str]) -> str:
    status = line.group(2)
    body = rf"{{\"error\":\"{_MESSAGES[status]}\"}}"
    return (
        f'{line.group(1)}http-error status {status} content-type application/json string "{body}"'
    )


def main(arguments: list[str]) -> None:
    """Rewrites the file after ``-f`` in place (Ray knows its HAProxy by that path), then
    replaces this process, so that the pid Ray waits for is HAProxy's."""
    host, binary, *rest = arguments
    if "-f" in rest:
        path = rest[rest.index("-f") + 1]
        with open(path, encoding="utf-8") as file:
            text = rewrite(file.read(), host)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    os.execv(binary, [binary, *rest])  # noqa: S606 - becoming HAProxy is the point


if __name__ == "__main__":
    main(sys.argv[1:])
