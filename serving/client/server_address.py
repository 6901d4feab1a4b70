"""Where a client's calls go: read from one URL."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from umbel.graph.errors import DeclarationError

_SCHEMES = ("http", "https", "grpc", "grpcs")


@dataclass(frozen=True)
class ServerAddress:
    """``base`` is what paths are added to (HTTP) or ``host:port`` (gRPC); ``model`` is the last
    part of the path, which with umbel is the model's name, or empty."""

    base: str
    model: str
    grpc: bool
    secure: bool


def server_address(url: str) -> ServerAddress:
    """Raises ``DeclarationError`` for what is no address."""
    parts = urlsplit(url)
    try:
        known = parts.scheme in _SCHEMES and parts.hostname
        grpc = parts.scheme.startswith("grpc")
        complete = known and not parts.query and not parts.fragment
        complete = complete and (parts.port is not None or not grpc)
    except ValueError:
        complete = False
    if not complete:
        raise DeclarationError(
            f"expected http(s)://host[:port]/NAME or grpc(s)://host:port/NAME, got {url!r}"
        )
    path = parts.path.rstrip("/")
    base = parts.netloc if grpc else f"{parts.scheme}://{parts.netloc}{path}"
    model = unquote(path.rpartition("/")[2])
    return ServerAddress(base, model, grpc, parts.scheme in ("https", "grpcs"))
