"""Which addresses a model may come from.

A URI that a user wrote into a file may point into their own network. One that arrives in a
request or a custom resource may not: the server would fetch from places that only it can
reach. Link-local addresses, where clouds keep their metadata and credentials, are refused
for both. Names are resolved and all their addresses checked; the downloader checks the
address it is connected to once more, and each redirect is a new URL.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass

from umbel.graph.errors import DeclarationError

ENVIRONMENT_FLAG = "UMBEL_MODEL_URLS"
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200")))
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ForbiddenUrl(DeclarationError):
    """The policy does not allow this address. Not worth another attempt."""


@dataclass(frozen=True)
class UrlPolicy:
    """``allow_private``: loopback and private networks; ``allow_files``: paths of this machine
    and mounted volumes."""

    allow_private: bool = True
    allow_files: bool = True

    def check_host(self, host: str, port: int) -> None:
        """Raise ForbiddenUrl unless every address of ``host`` is allowed.

        A host that cannot be resolved passes: connecting to it says why.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        for *_, address in found:
            self.check_address(str(address[0]), host)

    def check_address(self, address: str, host: str) -> None:
        """Raise ForbiddenUrl if ``address``, which ``host`` resolved to, is not allowed."""
        found = _plain(ipaddress.ip_address(address.partition("%")[0]))
        if found.is_link_local or found in _METADATA:
            raise ForbiddenUrl(
                f"{host} is {found}, a link-local address, where clouds keep credentials: "
                "models are never loaded from there"
            )
        if not self.allow_private and not found.is_global:
            raise ForbiddenUrl(
                f"{host} is {found}, a private address: URLs that arrive from outside may "
                f"only name public ones; name the model in a file of the graph instead, or "
                f"start the server with {ENVIRONMENT_FLAG}=any"
            )

    def check_file(self, uri: str) -> None:
        """Raise ForbiddenUrl if paths are not allowed."""
        if not self.allow_files:
            raise ForbiddenUrl(
                f"{uri!r} is a path of the server: requests may only name URLs of stores"
            )


TRUSTED = UrlPolicy()
"""For URIs in files that whoever starts the server gave it."""

UNTRUSTED = UrlPolicy(allow_private=False, allow_files=False)
"""For URIs that arrive in requests, and for an operator that serves others' resources."""


def policy_here() -> UrlPolicy:
    """TRUSTED, or with ``UMBEL_MODEL_URLS=public`` in the environment public addresses only,
    and mounted files."""
    if os.environ.get(ENVIRONMENT_FLAG) == "public":
        return UrlPolicy(allow_private=False)
    return TRUSTED


def _plain(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that stands for it."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address
