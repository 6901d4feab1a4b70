"""The ``umbel`` command: verbs, each a few lines over a library function.

Exit codes: 0 done, 1 bad input or a failed check (all findings on stderr), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import errno
import io
import sys
from collections.abc import Sequence

from umbel.cli import build, call, check, convert, down, k8s, plan, run, show, status, up
from umbel.cli.reporting import report_error
from umbel.graph.errors import UmbelError

_FILE = "FILE is path.py, path.py:name (one graph of it), KServe YAML, or a folder of it."
_DESCRIPTIONS = {
    "check": f"Report every mistake at once, each with file, line and a fix. {_FILE}",
    "show": f"Draw the graphs. {_FILE}",
    "plan": f"Tell what shares a process, what gets its own replicas, and why. {_FILE}",
    "run": f"Serve graphs over HTTP and gRPC until Ctrl-C. {_FILE}",
    "status": "Tell how many replicas of each deployment are wanted and how many are ready.",
    "build": f"Write a folder that a container image is built from. {_FILE}",
    "convert": "Write a model in another format; kept only if both give the same answers.",
    "up": f"Serve graphs on a Ray cluster, where they stay. {_FILE}",
    "down": "Take graphs off a Ray cluster.",
    "k8s": "Serve KServe's resources in a Kubernetes cluster.",
    "call": "Send one request to a graph; the answer is printed, its path on stderr.",
}

_MACHINES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
"""What the machine refuses, wherever a verb writes: told in one line."""

VERBS = (check, show, plan, run, status, up, down, call, convert, build, k8s)
"""Modules with ``add(subparsers)``, in the order of ``umbel --help``."""


def parser() -> argparse.ArgumentParser:
    """The command line of all verbs."""
    import umbel

    top = argparse.ArgumentParser(prog="umbel", description="Inference graphs on Ray Serve.")
    top.add_argument("--version", action="version", version=f"umbel {umbel.__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        verb.add(verbs)
    for name, command in verbs.choices.items():
        command.formatter_class = argparse.ArgumentDefaultsHelpFormatter
        command.description = _DESCRIPTIONS[name]
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    arguments = parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without UTF-8
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except UmbelError as error:
        report_error(error, as_json=getattr(arguments, "json", False))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        if error.errno not in _MACHINES:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
