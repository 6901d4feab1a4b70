"""What an ``oci://`` address names: a registry, a repository in it, a tag or a digest."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from umbel.graph.errors import DeclarationError

PLAIN_HTTP = "UMBEL_OCI_PLAIN_HTTP"
"""Registries that speak HTTP without TLS, with commas: ``registry.local:5000,cache:80``."""

KSERVE_INSECURE = "KSERVE_OCI_INSECURE_REGISTRY"
DOCKER_HUB = "docker.io"

_REPOSITORY = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")


@dataclass(frozen=True)
class ImageName:
    """``host`` as it was written, with its port; ``reference`` is a tag or a digest."""

    host: str
    repository: str
    reference: str

    @property
    def pinned(self) -> bool:
        """Whether it names a content, which never changes."""
        return is_digest(self.reference)

    @property
    def folder(self) -> str:
        """The name of the model's folder."""
        return self.repository.rpartition("/")[2]

    def url(self, kind: str, reference: str, environ: Mapping[str, str] = os.environ) -> str:
        """Where the registry has a manifest or blob (``kind``) of the repository."""
        host = "registry-1.docker.io" if self.host == DOCKER_HUB else self.host
        scheme = "http" if _is_plain(self.host, environ) else "https"
        return f"{scheme}://{host}/v2/{self.repository}/{kind}/{reference}"


def image_name(address: str) -> ImageName:
    """``oci://HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]``, also ``oci+fetch://`` and
    ``oci+native://``; without a host it is Docker Hub's. The digest comes before the tag, the
    tag is ``latest`` if there is neither. Raises DeclarationError."""
    rest = address.partition("://")[2]
    named, _, digest = rest.partition("@")
    first, slash, inner = named.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host = first
    else:
        host, inner = DOCKER_HUB, named if slash else f"library/{named}"
    if host in ("index.docker.io", "registry-1.docker.io"):
        host = DOCKER_HUB
    repository, _, tag = inner.partition(":")
    problem = ""
    if not _HOST.fullmatch(host):
        problem = f"{host!r} is no name of a registry"
    elif not _REPOSITORY.fullmatch(repository):
        problem = f"{repository!r} is no name of a repository: lower-case letters, digits, '._-'"
    elif tag and not _TAG.fullmatch(tag):
        problem = f"{tag!r} is no tag"
    elif "@" in rest and not _DIGEST.fullmatch(digest):
        problem = f"{digest!r} is no digest: sha256: and 64 digits of hexadecimal"
    if problem:
        raise DeclarationError(
            f"{address!r}: {problem}; expected oci://HOST/REPOSITORY:TAG or "
            "oci://HOST/REPOSITORY@sha256:…"
        )
    return ImageName(host, repository, digest or tag or "latest")


def is_digest(reference: str) -> bool:
    """Whether ``reference`` is a digest of a kind that can be verified here."""
    return _DIGEST.fullmatch(reference) is not None


def _is_plain(host: str, environ: Mapping[str, str]) -> bool:
    """As with Docker, loopback is asked without TLS; others where it is said so."""
    if environ.get(KSERVE_INSECURE, "").lower() in ("1", "true", "yes"):
        return True
    if host in (one.strip() for one in environ.get(PLAIN_HTTP, "").split(",")):
        return True
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"
