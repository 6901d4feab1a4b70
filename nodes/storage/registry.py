"""Reads manifests and blobs of an image from a registry: the pull half of its HTTP API.

It is a small API, and the downloader's checks (addresses, redirects, resuming) have to hold for
it as well, which no client library offers. Whatever arrives is compared with its digest.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import platform
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage import registry_logins, web_download, web_opening
from umbel.nodes.storage.image_names import PLAIN_HTTP, ImageName, is_digest
from umbel.nodes.storage.locations import Location
from umbel.nodes.storage.object_store import NothingThere
from umbel.nodes.storage.url_policy import UrlPolicy

LARGEST_MANIFEST = 4 << 20
"""Bytes. Registries take no larger ones."""

_IMAGE = ("application/vnd.oci.image.manifest.v1+json",
          "application/vnd.docker.distribution.manifest.v2+json")  # fmt: skip
_INDEX = ("application/vnd.oci.image.index.v1+json",
          "application/vnd.docker.distribution.manifest.list.v2+json")  # fmt: skip
_ACCEPT = ", ".join((*_INDEX, *_IMAGE))
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class _Read(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class Platform(_Read):
    """What an image of an index is for."""

    os: str = ""
    architecture: str = ""


class Descriptor(_Read):
    """A blob or manifest: its digest, its size in bytes, and what it is."""

    media_type: str = ""
    digest: str
    size: int = Field(ge=0)
    annotations: Mapping[str, str] = Field(default_factory=dict)
    platform: Platform | None = None


class Manifest(_Read):
    """An image's or artifact's layers, or an index of images."""

    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()

    @property
    def is_image(self) -> bool:
        """Whether it is a container image: its layers are folders of one file system."""
        kind = self.config.media_type if self.config else ""
        return not self.artifact_type and ("image.config" in kind or "container.image" in kind)


@dataclass
class Registry:
    """One image at its registry. ``shown`` is the image's address, for messages."""

    image: ImageName
    shown: str
    policy: UrlPolicy
    environ: Mapping[str, str]
    attempts: int = web_download.ATTEMPTS
    _authorization: str = field(default="", repr=False)

    def manifest(self) -> tuple[str, Manifest]:
        """The image's manifest for this machine, and its digest."""
        digest, found = self._manifest(self.image.reference)
        if found.manifests or found.media_type in _INDEX:
            digest, found = self._manifest(self._for_this_machine(found).digest)
        for layer in found.layers:
            if not is_digest(layer.digest):
                raise DeclarationError(f"{self.shown}: {layer.digest!r} is no digest known here")
        return digest, found

    def blob(self, descriptor: Descriptor, into: Path) -> Path:
        """A blob as the file ``into/blob``, resumed and verified."""
        place = into / "blob"
        if place.is_file():
            return place
        into.mkdir(parents=True, exist_ok=True)
        url = self.image.url("blobs", descriptor.digest, self.environ)
        shown = f"{self.shown} layer {descriptor.digest[:19]}"
        location = Location("web", url, shown, "https")
        try:
            file = web_download.download(
                location, into, self.policy, self.attempts, self._private()
            )
        except web_download.NotSignedIn:  # a token lives for some minutes
            self._authorization = ""
            self._manifest(self.image.reference)
            file = web_download.download(
                location, into, self.policy, self.attempts, self._private()
            )
        found = _digest(descriptor.digest, file)
        if found != descriptor.digest or file.stat().st_size != descriptor.size:
            size = file.stat().st_size
            file.unlink()
            raise DeclarationError(
                f"{shown} is not what the manifest names: expected {descriptor.digest} of "
                f"{descriptor.size:,} bytes, found {found} of {size:,} bytes"
            )
        return file.replace(place)

    def _manifest(self, reference: str) -> tuple[str, Manifest]:
        url = self.image.url("manifests", reference, self.environ)
        body, headers = self._answer(url)
        named = reference if is_digest(reference) else headers.get("Docker-Content-Digest", "")
        digest = named if is_digest(named) else f"sha256:{hashlib.sha256(body).hexdigest()}"
        found = (
            f"{digest.partition(':')[0]}:{hashlib.new(digest.partition(':')[0], body).hexdigest()}"
        )
        if found != digest:
            raise DeclarationError(f"{self.shown}: expected the manifest {digest}, found {found}")
        try:
            manifest = Manifest.model_validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise DeclarationError(
                f"{self.shown}: what the registry sends is no manifest ({where}: {first['msg']})"
            ) from None
        if not manifest.media_type:
            kind = headers.get("Content-Type", "")
            manifest = manifest.model_copy(update={"media_type": kind})
        return digest, manifest

    def _for_this_machine(self, index: Manifest) -> Descriptor:
        machine = _MACHINES.get(platform.machine(), platform.machine())
        images = [one for one in index.manifests if one.media_type in ("", *_IMAGE)]
        real = [
            one
            for one in images
            if one.platform is None or one.platform.architecture not in ("", "unknown")
        ]
        for one in real:
            if one.platform and (one.platform.os, one.platform.architecture) == ("linux", machine):
                return one
        # Models are for every machine; the image around one may be built for a single one.
        if len(real) == 1:
            return real[0]
        there = ", ".join(f"{p.os}/{p.architecture}" for one in real if (p := one.platform))
        raise DeclarationError(
            f"{self.shown} has no image for linux/{machine}; there are: {there or 'none'}; name "
            "one by its digest (@sha256:…)"
        )

    def _answer(self, url: str) -> tuple[bytes, Mapping[str, str]]:
        """A small document of the registry and the headers it came with."""
        reason = ""
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(web_download.PAUSES_S[attempt - 1])
            try:
                return self._once(url)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 401 and not self._authorization:
                    self._authorization = self._signed_in(error.headers.get("WWW-Authenticate", ""))
                    if self._authorization:
                        return self._answer(url)
                if error.code not in web_download.AGAIN:
                    raise self._refused(error) from None
                reason = f"the registry answers {error.code}"
            except (OSError, http.client.HTTPException) as error:
                reason = str(getattr(error, "reason", "") or error) or type(error).__name__
        raise DeclarationError(
            f"{self.shown} could not be read ({self.attempts} attempts): {reason}; is the "
            f"registry's name right? One without TLS is named in {PLAIN_HTTP}"
        )

    def _once(self, url: str) -> tuple[bytes, Mapping[str, str]]:
        with web_opening.open_url(url, self.policy, {"Accept": _ACCEPT}, self._private()) as reply:
            body = reply.read(LARGEST_MANIFEST + 1)
            if len(body) > LARGEST_MANIFEST:
                raise DeclarationError(
                    f"{self.shown}: the manifest has more than {LARGEST_MANIFEST:,} bytes"
                )
            return body, reply.headers

    def _private(self) -> Mapping[str, str]:
        return {"Authorization": self._authorization} if self._authorization else {}

    def _signed_in(self, challenge: str) -> str:
        """The ``Authorization`` that the registry's challenge asks for; empty if there is none."""
        login = registry_logins.login(self.image, self.environ)
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            return login.basic
        told = urllib.request.parse_keqv_list(urllib.request.parse_http_list(rest))
        if scheme.lower() != "bearer" or not told.get("realm"):
            return ""
        asked = {
            "service": told.get("service", ""),
            "scope": told.get("scope") or f"repository:{self.image.repository}:pull",
        }
        return f"Bearer {self._token(told['realm'], asked, login)}"

    def _token(self, realm: str, asked: Mapping[str, str], login: registry_logins.Login) -> str:
        own = urlsplit(self.image.url("manifests", "", self.environ)).scheme
        if urlsplit(realm).scheme not in ("https", own):
            raise DeclarationError(f"{self.shown}: the registry wants a login in clear, at {realm}")
        join = "&" if "?" in realm else "?"
        url, body, private = f"{realm}{join}{urlencode(asked)}", None, {}
        if login.refresh:
            form = {
                **asked, "grant_type": "refresh_token", "client_id": "umbel",
                "refresh_token": login.refresh,
            }  # fmt: skip
            url, body = realm, urlencode(form).encode()
        elif login.basic:
            private = {"Authorization": login.basic}
        try:
            method = "POST" if body else "GET"
            with web_opening.open_url(
                url, self.policy, {}, private, method=method, body=body
            ) as reply:
                found: Any = json.loads(reply.read(1 << 20))
                return str(found.get("token") or found["access_token"])
        except urllib.error.HTTPError as error:
            error.close()
            raise self._refused(error) from None
        except (OSError, http.client.HTTPException, ValueError, KeyError, AttributeError) as error:
            reason = getattr(error, "reason", "") or error
            raise DeclarationError(f"{self.shown}: no token from {realm}: {reason}") from None

    def _refused(self, error: urllib.error.HTTPError) -> DeclarationError:
        host = self.image.host
        if error.code == 404:
            return NothingThere(f"there is no image {self.shown}: are its name and tag right?")
        if error.code in (401, 403):
            known = (
                "what 'docker login' left for it is not accepted"
                if (registry_logins.login(self.image, self.environ) != registry_logins.Login())
                else "no login for it is known"
            )
            return DeclarationError(
                f"{self.shown} may not be read: the registry answers {error.code}, and {known}; "
                f"type 'docker login {host}', or name a file with logins in "
                f"{registry_logins.FILES}; in Kubernetes, add an imagePullSecret"
            )
        return DeclarationError(f"{self.shown}: the registry answers {error.code}")


def _digest(kind: str, file: Path) -> str:
    name = kind.partition(":")[0]
    whole = hashlib.new(name)
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            whole.update(block)
    return f"{name}:{whole.hexdigest()}"
