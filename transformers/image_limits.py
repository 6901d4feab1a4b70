"""How large an image may be, before a pixel of it is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from umbel.graph.errors import DeclarationError


@dataclass(frozen=True)
class ImageLimits:
    """``pixels``: width times height of one image. ``bytes``: of its file. ``images``: in one
    request. ``url_timeout_s``: seconds to fetch one. A file of 1 MB can hold 900 million pixels,
    2.7 GB in memory: the header is read first, and such an image is never decoded."""

    pixels: int = 50_000_000
    bytes: int = 32 * 1024 * 1024
    images: int = 64
    url_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if min(self.pixels, self.bytes, self.images) < 1 or self.url_timeout_s <= 0:
            raise DeclarationError(f"the limits of images must be positive: {self}")
