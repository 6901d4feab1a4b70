"""Where and how the gRPC front listens."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_MESSAGE_LIMIT = 8 * 1024 * 1024
"""Bytes: KServe's."""


@dataclass(frozen=True)
class GrpcSettings:
    """``port`` 0 picks a free one; ``None`` is the port after HTTP's, and no gRPC at all where
    that cannot be had. ``message_limit``: bytes of the largest request or response."""

    port: int | None = None
    message_limit: int = DEFAULT_MESSAGE_LIMIT
