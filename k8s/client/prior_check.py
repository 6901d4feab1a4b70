"""`umbel check` on a resource before it is sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from umbel.graph.findings import has_errors
from umbel.k8s.admission.findings_of import findings_of
from umbel.k8s.client.failures import Refused

log = logging.getLogger("umbel.client")


def checked(raw: Mapping[str, Any]) -> None:
    """Raises ``Refused`` with every finding if there is an error; else warnings are logged."""
    found = findings_of(raw)
    if has_errors(found):
        raise Refused(found)
    for one in found:
        if one.severity == "warning":
            log.warning("%s", one)


def merged(before: Any, change: Any) -> Any:
    """``before`` with a JSON merge patch (RFC 7386) applied: None removes, lists are whole."""
    if not isinstance(change, Mapping):
        return change
    result = dict(before) if isinstance(before, Mapping) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
