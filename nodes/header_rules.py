"""Which request headers travel on to a service, by KServe's rules.

Patterns are Go's regular expressions, unanchored and case-sensitive, matched against the
canonical form of a header's name (``X-Request-Id``). A pattern that does not compile is skipped.
Headers that belong to one connection or one body never travel on, whatever the patterns say.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from umbel.nodes.go_patterns import compile_pattern

log = logging.getLogger("umbel.router")

_OF_ONE_HOP = frozenset(
    ("Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Authenticate",
     "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade")
)  # fmt: skip


def canonical(name: str) -> str:
    """The form in which Go keeps a header's name: ``x-request-id`` → ``X-Request-Id``."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


class HeaderRules:
    """Compiled patterns. ``broken`` lists those that do not compile."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns: list[re.Pattern[str]] = []
        self.broken: list[str] = []
        for pattern in patterns:
            try:
                self._patterns.append(compile_pattern(pattern))
            except re.error as error:
                self.broken.append(pattern)
                log.warning("header pattern %r is skipped: %s", pattern, error)

    def select(self, headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """The headers that match, each once, in their order, with canonical names."""
        if not self._patterns:
            return []
        found = [(canonical(name), value) for name, value in headers]
        return [
            (name, value)
            for name, value in found
            if name not in _OF_ONE_HOP and any(rule.search(name) for rule in self._patterns)
        ]
