"""What conditions and events say: short, in words that help, without a traceback."""

from __future__ import annotations

import re
from collections.abc import Iterable

from umbel.graph.findings import Finding

LONGEST = 1000
"""Characters of a message; an Event takes 1024."""


def findings_text(findings: Iterable[Finding]) -> str:
    """All findings in one line each, with what to do."""
    lines = []
    for one in findings:
        place = f" ({one.place.path})" if one.place.path else ""
        fix = f"; fix: {one.fix}" if one.fix else ""
        lines.append(f"{one.code}: {one.message}{place}{fix}")
    return shortened("\n".join(lines))


def tidy(text: str) -> str:
    """The line of a replica's traceback that says what happened."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "Error: " in line or "cannot start" in line]
    line = telling[-1] if telling else (lines[-1] if lines else "no reason was given")
    return shortened(re.sub(r"^(umbel|ray)\.[\w.]+: ", "", line))


def shortened(text: str) -> str:
    """At most `LONGEST` characters."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
