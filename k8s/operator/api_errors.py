"""What the Kubernetes API answers where it does not do what was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from umbel.graph.errors import UmbelError

_LONGEST_WAIT_S = 60.0
"""What ``Retry-After`` may ask for at most."""


class ClusterUnavailable(UmbelError):
    """The API server cannot be reached, or refuses the operator altogether. ``code`` is the HTTP
    status if there was one; ``after_s``: the seconds that it asks to wait."""

    def __init__(self, message: str, code: int = 0, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.code, self.after_s = code, min(after_s, _LONGEST_WAIT_S)

    @property
    def for_all(self) -> bool:
        """False for an error that may be one object's: a webhook that fails, for example."""
        return self.code != 500


class Refused(UmbelError):
    """The API server answered with an error. ``code`` is the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Conflict(Refused):
    """What was to be written is no longer as it was read."""


def asked_wait_s(headers: Mapping[str, str]) -> float:
    """``Retry-After``, as API servers write it: in seconds."""
    asked = headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


def read_answer(
    method: str, path: str, status: int, text: str, after_s: float = 0.0
) -> dict[str, Any]:
    """The body of an answer. Raises ``Refused`` and ``ClusterUnavailable``; ``after_s``: the
    seconds that the API server asks to wait."""
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        answer = {}
    if status < 400:
        return answer if isinstance(answer, dict) else {}
    message = answer.get("message") if isinstance(answer, dict) else None
    if status >= 500 or status in (401, 429):
        why = f"{method} {path}: {status} {message or text[:200]}"
        raise ClusterUnavailable(why, status, after_s)
    raise Refused(status, f"{method} {path}: {status} {message or text[:200]}")
