"""Header patterns as Go's regexp reads them. What is expected here was read off Go itself."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.nodes.go_patterns import compile_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "*Trace-Id*", "[0-9", "(", ")", "a**", "a++", "a{2}{3}", "x{1001}", "(?=a)", "(?!a)",
        "(?<=a)", "(?>a)", r"\1", r"\8", r"\_x\e", "[z-a]", "[[:nope:]]", "(?z)", r"\p{Nope}",
    ],
)  # fmt: skip
def test_what_go_refuses(pattern: str) -> None:
    with pytest.raises(re.error):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("Request", "X-Request-Id", True),
        ("request", "X-Request-Id", False),
        ("(?i)request", "X-Request-Id", True),
        ("X-(?i)request", "X-Request-Id", True),
        ("(X-(?i)request)-Id$", "X-Request-Id", True),
        ("(X-(?i)request)-id$", "X-Request-Id", False),
        ("(?i:x)-request", "X-Request-Id", False),
        ("Test-Header-*", "Test-Header", True),
        ("[[:alpha:]]{3}", "X-Abc", True),
        ("[^[:alpha:]-]", "X-Abc", False),
        (r"\QX-*\E", "X-Abc", False),
        (r"\QX-*", "X-*", True),
        (r"^\pL-\x41", "X-Abc", True),
        ("^*X", "X", True),
        ("Id\\z", "X-Id", True),
        ("a{,2}", "aa", False),
        ("[a&&b]", "&", True),
        ("", "anything", True),
        ("(?P<one>X)", "X", True),
        ("(?U)X+", "XX", True),
    ],
)
def test_what_go_finds(pattern: str, name: str, found: bool) -> None:
    assert bool(compile_pattern(pattern).search(name)) is found


@given(st.text(alphabet="aA1-.*+?()[]{}|^$\\:<>=!PQEzpLiUs,&~_", max_size=12))
def test_a_pattern_compiles_or_is_refused(pattern: str) -> None:
    with contextlib.suppress(re.error):
        compile_pattern(pattern).search("X-Request-Id")
