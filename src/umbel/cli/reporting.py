"""How findings and errors are printed."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import umbel
from umbel.graph.errors import CheckFailed, UmbelError
from umbel.graph.findings import Finding
from umbel.graph.source import SourceFailed


def print_findings(findings: Sequence[Finding], *, as_json: bool = False) -> None:
    """All findings on stderr, or as a JSON list on stdout."""
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings], indent=2))
        return
    for finding in findings:
        print(finding, file=sys.stderr)


def report_error(error: UmbelError, *, as_json: bool = False) -> None:
    """An error as its user should see it: findings, or the user's own traceback."""
    if isinstance(error, CheckFailed):
        print_findings(error.findings, as_json=as_json)
    elif isinstance(error, SourceFailed) and error.__cause__ is not None:
        print(user_traceback(error.__cause__), end="", file=sys.stderr)
        print(f"error: {error}", file=sys.stderr)
    elif as_json:
        print(json.dumps({"error": str(error)}))
    else:
        print(f"error: {error}", file=sys.stderr)


def user_traceback(error: BaseException) -> str:
    """The traceback without the frames of umbel and of the import system."""
    told = traceback.TracebackException.from_exception(error)
    causes: list[traceback.TracebackException | None] = [told]
    while causes:
        one = causes.pop()
        if one is not None:
            kept = [frame for frame in one.stack if not _is_machinery(frame.filename)]
            one.stack = traceback.StackSummary.from_list(kept)
            causes += [one.__cause__, one.__context__]
    return "".join(told.format())


_OWN = f"{Path(umbel.__file__).parent}{os.sep}"


def _is_machinery(file: str) -> bool:
    return file.startswith(("<frozen importlib", _OWN))
