"""What a model's URI means: which store, and what the store calls the thing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage.image_names import image_name

Store = Literal["file", "web", "fsspec", "oci"]

SCHEMES = (
    "a path, file://, pvc://, http://, https://, s3://, gs://, abfs://, az://, "
    "https://ACCOUNT.blob.core.windows.net/…, hf://, oci://, hdfs://, webhdfs://"
)
_OBJECT_STORES = {
    "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "abfs": "abfs", "abfss": "abfs",
    "az": "abfs", "hdfs": "hdfs", "webhdfs": "webhdfs", "memory": "memory",
}  # fmt: skip
_IMAGES = ("oci", "oci+fetch", "oci+native")  # KServe's ways to read the same thing
_AZURE = re.compile(r"([a-z0-9]{3,24})\.(blob\.core\.windows\.net|z\d+\.blob\.storage\.azure\.net)")
_LAKE = re.compile(
    r"(?P<container>[^@/]+)@(?P<account>[a-z0-9]{3,24})\.(?:dfs|blob)\.core\.windows\.net/(?P<path>.*)"
)
_ELSEWHERE = {
    "git": "clone the repository and give its path",
    "modelscope": "download it with modelscope and give its path",
    "ftp": "serve the file over https",
}
PVC_ROOT = "UMBEL_PVC_ROOT"


@dataclass(frozen=True)
class Location:
    """``address`` is a path, a URL, or what fsspec takes; ``protocol`` is fsspec's name.
    ``shown`` is for messages: without passwords, signatures or tokens. ``account`` and ``host``
    belong to the address where a store has several; ``token`` is a signature out of it."""

    store: Store
    address: str
    shown: str
    protocol: str = ""
    account: str = ""
    sha256: str = ""
    host: str = ""
    token: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The last part of the address, without query."""
        path = urlsplit(self.address).path if self.store == "web" else self.address
        return unquote(path.rstrip("/").rpartition("/")[2])


def locate(uri: str) -> Location:
    """What ``uri`` means. ``#sha256=…`` at its end is the digest the file must have.

    Raises DeclarationError for a scheme that nothing reads, with those that exist.
    """
    address, _, fragment = uri.partition("#sha256=")
    scheme, divided, rest = address.partition("://")
    if not divided:
        return Location("file", str(Path(address).expanduser()), uri, sha256=fragment)
    scheme = scheme.lower()
    if scheme == "file":
        return Location("file", unquote(urlsplit(address).path), uri, sha256=fragment)
    if scheme == "pvc":
        return Location("file", _mounted(rest), uri, sha256=fragment)
    if scheme in ("http", "https"):
        return _web(address, fragment)
    if scheme == "hf":
        return Location("fsspec", _of_hugging_face(rest), address, "hf", sha256=fragment)
    if rest.startswith("/"):
        scheme, rest = _of_secret(scheme, rest, storage_config(os.environ))
    if scheme in _IMAGES:
        return _image(f"oci://{rest}", fragment)
    protocol = _OBJECT_STORES.get(scheme)
    lake = _LAKE.fullmatch(rest) if protocol == "abfs" else None
    if lake:
        address = f"abfs://{lake['container']}/{lake['path']}"
        return Location("fsspec", address, address, "abfs", lake["account"], fragment)
    if protocol is not None:
        plain = f"{protocol}://{rest}"
        return Location("fsspec", plain, _shown(plain), protocol, sha256=fragment)
    hint = _ELSEWHERE.get(scheme.partition("+")[0], "copy it to one of these")
    raise DeclarationError(f"{uri!r}: no store reads {scheme}://; there are {SCHEMES}. {hint}")


def _of_secret(scheme: str, rest: str, config: Mapping[str, Any]) -> tuple[str, str]:
    """``s3:///PATH``: the storage secret says which bucket, and what kind of store it is."""
    kind, bucket = str(config.get("type") or scheme), str(config.get("bucket") or "")
    return kind if kind in _OBJECT_STORES else scheme, f"{bucket}{rest}"


def storage_config(environ: Mapping[str, str]) -> dict[str, Any]:
    """``STORAGE_CONFIG``, the JSON of a storage secret, with ``STORAGE_OVERRIDE_CONFIG`` over
    it. Raises DeclarationError where one of them is no JSON object."""
    merged: dict[str, Any] = {}
    for variable in ("STORAGE_CONFIG", "STORAGE_OVERRIDE_CONFIG"):
        try:
            merged.update(json.loads(environ.get(variable) or "{}"))
        except (ValueError, TypeError) as error:
            raise DeclarationError(f"the variable {variable} is no JSON object: {error}") from None
    return merged


def _web(url: str, sha256: str) -> Location:
    parts = urlsplit(url)
    azure = _AZURE.fullmatch(parts.hostname or "")
    if azure and _lists(parts.query):
        address = f"abfs://{unquote(parts.path).lstrip('/')}"
        host = str(parts.hostname)
        return Location("fsspec", address, _shown(url), "abfs", azure[1], sha256, host, parts.query)
    if not parts.hostname or not parts.path.strip("/") or parts.path.endswith("/"):
        raise DeclarationError(
            f"{_shown(url)!r} names no file: over http one file is downloaded, a model or an "
            "archive (.zip, .tar, .tar.gz)"
        )
    if parts.path.endswith(".git"):
        raise DeclarationError(f"{_shown(url)!r} is a repository: {_ELSEWHERE['git']}")
    return Location("web", url, _shown(url), parts.scheme, sha256=sha256)


def _image(address: str, sha256: str) -> Location:
    named = image_name(address)
    if sha256:
        raise DeclarationError(
            f"{address!r}: an image is pinned by its own digest: write @sha256:… in place of "
            "#sha256=…"
        )
    return Location("oci", address, address, "oci", named.host)


def _lists(query: str) -> bool:
    """Whether a blob address may be listed: a signature for one blob (``sr=b``) is good for an
    ordinary download only, and so is a query that is no signature."""
    asked = parse_qs(query)
    return not query or ("sig" in asked and asked.get("sr", [""])[0] not in ("b", "bv", "bs"))


def _shown(url: str) -> str:
    """Without user, password and query: they may be secrets."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def _of_hugging_face(rest: str) -> str:
    """``owner/model:revision/path`` as ``hf://owner/model@revision/path``."""
    owner, _, more = rest.partition("/")
    if not owner or not more:
        raise DeclarationError(f"'hf://{rest}': expected hf://OWNER/MODEL or …/MODEL:REVISION")
    return f"hf://{owner}/{more.replace(':', '@', 1)}"


def _mounted(rest: str) -> str:
    """Where a claim is mounted: ``$UMBEL_PVC_ROOT/CLAIM``, or KServe's ``/mnt/pvc``."""
    claim, _, path = rest.partition("/")
    root = Path(os.environ.get(PVC_ROOT, "/mnt/pvc"))
    own = root / claim
    base = own if own.is_dir() else root
    whole = (base / path).resolve()
    if not whole.is_relative_to(base.resolve()):
        raise DeclarationError(f"'pvc://{rest}' leads out of the volume")
    return str(whole)
