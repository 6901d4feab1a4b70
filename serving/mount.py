"""Where a graph answers, if not below ``/NAME``."""

from __future__ import annotations

from dataclasses import dataclass

PROTOCOLS = ("v1", "v2", "openai")
"""First parts of paths that are a protocol's, whatever a graph is called."""


@dataclass(frozen=True)
class Mount:
    """The graph ``name`` answers below ``path``: at ``/``, as KServe's services do, which have
    a host each, or below ``/NAMESPACE/NAME``, where one Ray cluster serves several namespaces.

    At ``/`` it answers below ``/NAME``, too.
    """

    name: str
    path: str

    def inner_path(self, path: str) -> str:
        """The path below ``/NAME`` that a request's ``path`` means; one that lies outside the
        mount stays as it is."""
        own, mounted = f"/{self.name}", self.path.rstrip("/")
        if not mounted and self.name not in PROTOCOLS and _is_below(path, own):
            return path
        if not _is_below(path, mounted):
            return path
        below = path[len(mounted) :]
        return own + ("" if below == "/" else below)


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top + "/")
