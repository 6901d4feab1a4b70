"""Downloads what lies under an address of an object store, through fsspec.

Files are read in blocks by range, four at a time, and a file that broke off goes on where it
was, if the store says that it is still the same file.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin, urlsplit

from umbel.graph.errors import DeclarationError, MissingExtra, UmbelError
from umbel.nodes.storage import free_space
from umbel.nodes.storage.hadoop_options import NATIVE, extra_headers, keytab, with_name_node
from umbel.nodes.storage.locations import Location
from umbel.nodes.storage.progress import Progress
from umbel.nodes.storage.store_options import store_options
from umbel.nodes.storage.url_policy import UrlPolicy
from umbel.nodes.storage.web_opening import TIMEOUT_S

AT_ONCE = 4
_BLOCK = 16 << 20
EXTRAS = {
    "s3": ("s3fs", "s3"), "gs": ("gcsfs", "gcs"), "abfs": ("adlfs", "azure"),
    "hf": ("huggingface_hub", "huggingface"), "hdfs": ("pyarrow", "hdfs"),
    "webhdfs": ("requests", "hdfs"),
}  # fmt: skip
_MARKS = ("ETag", "etag", "md5Hash", "content_md5", "blob_id", "mtime", "LastModified",
          "last_modified", "modificationTime", "created")  # fmt: skip


class NothingThere(DeclarationError):
    """The store answers, and has nothing at this address."""


@dataclass(frozen=True)
class StoredFile:
    """One file: its address in the store, its path under what was asked for, its size, and
    what the store says changes with its content."""

    address: str
    path: str
    size: int
    mark: str


@dataclass(frozen=True)
class Listing:
    """What lies under an address. ``single``: the address is that of the one file."""

    store: Any
    files: tuple[StoredFile, ...]
    single: bool

    @property
    def validator(self) -> str:
        """Changes if any file does."""
        text = "\n".join(f"{file.path} {file.size} {file.mark}" for file in self.files)
        return hashlib.sha256(text.encode()).hexdigest()


def look(location: Location, policy: UrlPolicy, environ: Mapping[str, str] = os.environ) -> Listing:
    """What lies there now. Raises DeclarationError if nothing does or it may not be read."""
    location = with_name_node(location, environ)
    host = urlsplit(location.address).hostname
    if location.protocol in ("hdfs", "webhdfs") and host:
        policy.check_host(host, urlsplit(location.address).port or 0)
    store = _connected(location, environ)
    if location.protocol == "webhdfs":
        _prepare(store, policy, environ)
    root = str(store._strip_protocol(location.address)).rstrip("/")
    try:
        found = _found(store, root)
    except UmbelError:
        raise
    except Exception as error:
        raise _unreadable(location, error) from error
    files = [_described(name, root, about) for name, about in sorted(found.items())]
    kept = tuple(file for file in files if _wanted(file.path, environ))
    if not kept:
        left = f"; the patterns leave out all of its {len(files)} files" if files else ""
        raise NothingThere(
            f"there is nothing at {location.shown}{left}: is the address right, and may these "
            "credentials see it?"
        )
    return Listing(store, kept, len(files) == 1 and set(found) == {root})


def download(location: Location, listing: Listing, into: Path) -> Path:
    """All files under ``into``, which may hold what an earlier attempt left. Returns the one
    file, or ``into``."""
    total = sum(file.size for file in listing.files)
    there = sum(path.stat().st_size for path in into.rglob("*") if path.is_file())
    free_space.require(max(0, total - there), into, location.shown)
    progress = Progress(location.shown, total)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [
            pool.submit(_one, listing.store, file, _place(into, file), progress)
            for file in listing.files
        ]
        try:
            for job in jobs:
                job.result()
        except UmbelError:
            raise
        except Exception as error:
            for job in jobs:
                job.cancel()
            if isinstance(error, OSError) and free_space.is_full(error):
                raise free_space.full(into, location.shown) from error
            raise _unreadable(location, error) from error
    return _place(into, listing.files[0]) if listing.single else into


def _connected(location: Location, environ: Mapping[str, str]) -> Any:
    library, extra = EXTRAS.get(location.protocol, ("fsspec", "storage"))
    try:
        import fsspec

        options = store_options(location, environ)
        if "kerb_kwargs" in options and keytab(environ):
            os.environ.setdefault("KRB5_CLIENT_KTNAME", keytab(environ))
        return fsspec.filesystem(location.protocol, skip_instance_cache=True, **options)
    except ImportError as error:
        if error.name == "requests_kerberos":
            raise DeclarationError(
                f"{location.shown} wants Kerberos: pip install requests-kerberos"
            ) from error
        raise MissingExtra(location.shown, error.name or library, extra) from error
    except (OSError, ValueError) as error:
        if location.protocol == "hdfs" and re.search("libhdfs|libjvm", str(error)):
            raise DeclarationError(f"{location.shown} cannot be read: {NATIVE}") from error
        raise _unreadable(location, error) from error


def _found(store: Any, root: str) -> dict[str, dict[str, Any]]:
    """The files under ``root``, or ``root`` itself: some stores list folders only."""
    listed = store.find(root, detail=True)
    if not isinstance(listed, dict):  # adlfs answers with a list where the root is one file
        listed = {}
    found: dict[str, dict[str, Any]] = {
        name: about
        for name, about in listed.items()
        if about.get("type") != "directory" and not name.endswith("/")
    }
    if found and all(found.values()):
        return found
    try:
        about = store.info(root)
    except FileNotFoundError:
        return {}
    return {root: about} if about.get("type") == "file" else found


def _prepare(store: Any, policy: UrlPolicy, environ: Mapping[str, str]) -> None:
    """A name node sends its readers on to data nodes: each is an address like the first. Of one
    that says nothing, fsspec would wait for ever."""

    def check(reply: Any, *args: Any, **kwargs: Any) -> None:
        if reply.is_redirect:
            parts = urlsplit(urljoin(reply.url, reply.headers["Location"]))
            policy.check_host(parts.hostname or "", parts.port or 80)

    store.session.hooks["response"].append(check)
    store.session.headers.update(extra_headers(environ))
    store.session.request = functools.partial(store.session.request, timeout=TIMEOUT_S)


def _described(name: str, root: str, about: Mapping[str, Any]) -> StoredFile:
    path = name[len(root) :].lstrip("/") or PurePosixPath(name).name
    mark = next((str(about[key]) for key in _MARKS if about.get(key)), "")
    return StoredFile(name, path, int(about.get("size") or 0), mark)


def _wanted(path: str, environ: Mapping[str, str]) -> bool:
    """KServe's filters: patterns of what to take and what to leave, as JSON or with commas."""
    allowed = _patterns(environ.get("STORAGE_ALLOW_PATTERNS", ""))
    ignored = _patterns(environ.get("STORAGE_IGNORE_PATTERNS", ""))
    taken = not allowed or any(fnmatch.fnmatch(path, pattern) for pattern in allowed)
    return taken and not any(fnmatch.fnmatch(path, pattern) for pattern in ignored)


def _patterns(text: str) -> Sequence[str]:
    if text.lstrip().startswith("["):
        return [str(pattern) for pattern in json.loads(text)]
    return [pattern.strip() for pattern in text.split(",") if pattern.strip()]


def _place(into: Path, file: StoredFile) -> Path:
    parts = PurePosixPath(file.path).parts
    if ".." in parts or PurePosixPath(file.path).is_absolute():
        raise DeclarationError(f"the store names a file {file.path!r}, which is no path inside it")
    return into.joinpath(*parts)


def _one(store: Any, file: StoredFile, place: Path, progress: Progress) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists() and place.stat().st_size == file.size:
        return
    part = place.with_name(f"{place.name}.part")
    done = part.stat().st_size if part.exists() else 0
    with part.open("ab") as target:
        while done < file.size:
            block: bytes = store.cat_file(
                file.address, start=done, end=min(done + _BLOCK, file.size)
            )
            if not block:
                raise OSError(f"{file.path} ends after {done:,} of {file.size:,} bytes")
            target.write(block)
            done += len(block)
            progress.add(len(block))
    part.replace(place)


def _unreadable(location: Location, error: Exception) -> DeclarationError:
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return NothingThere(f"there is nothing at {location.shown}: is the address right?")
    denied = isinstance(error, PermissionError) or "Credentials" in kind or "Authentication" in kind
    if denied or getattr(error, "status_code", 0) in (401, 403):
        return DeclarationError(
            f"{location.shown} may not be read ({_first_line(error)}): set the store's "
            "credentials in the environment, or name a secret with them in the service"
        )
    return DeclarationError(f"{location.shown} cannot be read: {kind}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    """Azure's errors carry the whole answer."""
    return str(error).partition("\n")[0].strip() or type(error).__name__
