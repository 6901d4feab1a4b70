"""``docs/findings.md`` lists every code. ``make docs`` writes it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from umbel.graph.finding_codes import CODES as GRAPH_CODES
from umbel.k8s.resources.codes import CODES as KSERVE_CODES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "findings.md"


def _page() -> str:
    lines = [
        "# Findings",
        "",
        "What `umbel check` reports. An *error* forbids serving, a *warning* does not, a *notice*",
        "says what was converted. This page is written by `make docs`.",
    ]
    for title, codes in (("Graphs in Python", GRAPH_CODES), ("KServe's resources", KSERVE_CODES)):
        lines += ["", f"## {title}", "", "| code | meaning |", "|---|---|"]
        lines += [f"| `{code}` | {meaning} |" for code, meaning in sorted(codes.items())]
    return "\n".join(lines) + "\n"


def test_the_page_lists_every_code() -> None:
    if os.environ.get("UMBEL_WRITE_DOCS"):
        PAGE.write_text(_page())
    assert PAGE.read_text() == _page(), "run `make docs`"


def test_every_code_of_a_python_graph_is_registered_and_used() -> None:
    used: set[str] = set()
    files = [*(ROOT / "graph").rglob("*.py"), *(ROOT / "src/umbel/cli").rglob("*.py")]
    assert files
    for file in files:
        if file.name != "finding_codes.py":
            used |= set(re.findall(r"UMB-G\d{3}", file.read_text()))
    assert used == set(GRAPH_CODES)
