"""An HTTP body with its status: what a router passes between services, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """``body`` is raw; ``status`` is what the service answered (200 for a request's body)."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"

    @property
    def ok(self) -> bool:
        """True for a 2xx status."""
        return 200 <= self.status < 300


def timed_out(target: str) -> str:
    """Why there is no message: ``target`` took too long. The words are those of Go's client."""
    return (
        f'Post "{target}": context deadline exceeded '
        "(Client.Timeout exceeded while awaiting headers)"
    )
