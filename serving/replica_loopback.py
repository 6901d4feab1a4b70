"""Keeps a replica's ports on loopback.

Ray Serve binds the gRPC port on which a replica takes calls from other replicas to every
interface (``[::]:0``) and has no setting for it. Its function is replaced in the replica
before the port is opened: the user's constructor runs first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ANY = "[::]:"
_LOOPBACK = "127.0.0.1:"


def listen_on_loopback() -> None:
    """Call it in the constructor of every deployment umbel runs; a second call changes
    nothing. Replicas reach one another by the node's address. Where that is not loopback, as
    it is on an embedded Ray, other machines must reach the port, and it stays as it is."""
    from ray.serve._private import replica
    from ray.util import get_node_ip_address

    if not str(get_node_ip_address()).startswith("127."):  # type: ignore[no-untyped-call]
        return

    bind: Callable[[Any, str], int] | None = getattr(replica, "add_port_to_grpc_server", None)
    if bind is None or getattr(bind, "is_loopback", False):
        return

    def bind_loopback(server: Any, address: str) -> int:
        if address.startswith(_ANY):
            address = _LOOPBACK + address.removeprefix(_ANY)
        return bind(server, address)

    bind_loopback.is_loopback = True  # type: ignore[attr-defined]
    setattr(replica, "add_port_to_grpc_server", bind_loopback)  # noqa: B010 - a private name
