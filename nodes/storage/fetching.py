"""From a model's URI to a path on this machine."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage import archives, free_space, images, object_store, web_download
from umbel.nodes.storage.image_names import image_name
from umbel.nodes.storage.locations import Location, locate
from umbel.nodes.storage.model_cache import ModelCache, file_digest
from umbel.nodes.storage.url_policy import ForbiddenUrl, UrlPolicy, policy_here

log = logging.getLogger("umbel.nodes.storage")


class _HasValidator(Protocol):
    @property
    def validator(self) -> str: ...


_Looked = TypeVar("_Looked", bound=_HasValidator)


def fetch(uri: str, *, policy: UrlPolicy | None = None, cache: ModelCache | None = None) -> Path:
    """The file or folder behind ``uri``. A path stays where it is; what is remote is
    downloaded once for all processes of the machine, and again when it changed.

    An archive is unpacked. ``#sha256=<hex>`` at the end of the URI is compared with the file
    as it came. ``policy`` says which addresses are allowed (default: ``policy_here()``). Where
    the store cannot be reached, what was downloaded before is used, with a warning. May take
    long. Raises DeclarationError, saying what to do.
    """
    location = locate(uri)
    allowed = policy or policy_here()
    stored = cache or ModelCache()
    if location.store == "file":
        allowed.check_file(uri)
        return _local(location, stored)
    named = (location.address.rstrip("/"), location.sha256, location.account)
    key = hashlib.sha256("\n".join(named).encode()).hexdigest()
    with stored.locked(key) as partial:
        known = stored.known(key)
        pinned = location.store == "oci" and image_name(location.address).pinned
        if known is not None and (location.sha256 or pinned):
            return stored.path(known)
        if location.store == "web":
            return _web(location, allowed, stored, key, partial)
        if location.store == "oci":
            return _image(location, allowed, stored, key, partial)
        return _object(location, allowed, stored, key, partial)


def _web(location: Location, policy: UrlPolicy, cache: ModelCache, key: str, partial: Path) -> Path:
    now = web_download.look(location, policy)
    known = cache.known(key)
    if known is not None and now is not None and now.validator == known.validator != "":
        return cache.path(known)
    partial.mkdir(exist_ok=True)
    try:
        unreachable = known is not None and now is None
        attempts = 1 if unreachable else web_download.ATTEMPTS
        file = web_download.download(location, partial, policy, attempts)
    except ForbiddenUrl:
        raise
    except DeclarationError as error:
        if known is None or now is not None:
            raise
        log.warning("%s; the copy downloaded before is used", error)
        return cache.path(known)
    return _kept(location, cache, key, file, "" if now is None else now.validator, partial)


def _object(
    location: Location, policy: UrlPolicy, cache: ModelCache, key: str, partial: Path
) -> Path:
    listing = _newer(lambda: object_store.look(location, policy), cache, key)
    if isinstance(listing, Path):
        return listing
    # What an earlier attempt left is of use only if the store still has the same.
    folder = partial / listing.validator
    if partial.exists() and not folder.exists():
        shutil.rmtree(partial)
    home = folder / (location.name or "model")
    home.mkdir(parents=True, exist_ok=True)
    content = object_store.download(location, listing, home)
    return _kept(location, cache, key, content, listing.validator, partial)


def _image(
    location: Location, policy: UrlPolicy, cache: ModelCache, key: str, partial: Path
) -> Path:
    attempts = web_download.ATTEMPTS if cache.known(key) is None else 1
    image = _newer(lambda: images.look(location, policy, attempts), cache, key)
    if isinstance(image, Path):
        return image
    content = images.download(location, image, partial)
    return _kept(location, cache, key, content, image.validator, partial)


def _newer(look: Callable[[], _Looked], cache: ModelCache, key: str) -> _Looked | Path:
    """What the store has now; the path of the copy downloaded before where that is it still, or
    where the store cannot be reached."""
    known = cache.known(key)
    try:
        now = look()
    except ForbiddenUrl:
        raise
    except DeclarationError as error:
        if known is None or isinstance(error, object_store.NothingThere):
            raise
        log.warning("%s; the copy downloaded before is used", error)
        return cache.path(known)
    return cache.path(known) if known is not None and known.validator == now.validator else now


def _local(location: Location, cache: ModelCache) -> Path:
    path = Path(location.address)
    if location.sha256:
        _compare(location, path)
    if not (path.is_file() and archives.is_archive(path)):
        return path
    about = path.stat()
    validator = f"{about.st_mtime_ns} {about.st_size}"
    key = hashlib.sha256(f"{path.absolute()}".encode()).hexdigest()
    with cache.locked(key) as partial:
        known = cache.known(key)
        if known is not None and known.validator == validator:
            return cache.path(known)
        return _kept(replace(location, sha256=""), cache, key, path, validator, partial)


def _kept(
    location: Location, cache: ModelCache, key: str, content: Path, validator: str, partial: Path
) -> Path:
    try:
        if location.sha256:
            _compare(location, content)
        if content.is_file() and archives.is_archive(content):
            content = _unpacked(content, partial)
        return cache.keep(key, content, validator)
    except OSError as error:
        if free_space.is_full(error):
            raise free_space.full(cache.root, location.shown) from error
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unpacked(archive: Path, partial: Path) -> Path:
    folder = partial / "unpacked" / archive.name.partition(".")[0]
    shutil.rmtree(folder, ignore_errors=True)
    archives.unpack(archive, folder)
    return folder


def _compare(location: Location, path: Path) -> None:
    if not path.is_file():
        raise DeclarationError(f"{location.shown} is a folder: #sha256=… is for one file")
    found = file_digest(path)
    if found != location.sha256.lower():
        raise DeclarationError(
            f"{location.shown} is not the file that was meant: expected sha256 "
            f"{location.sha256}, found {found}; if the new file is meant, write #sha256={found}"
        )
