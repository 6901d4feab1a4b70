"""Downloaded models on disk, one copy for all processes of a machine.

    objects/<digest>/<name>    what was downloaded and unpacked, never changed afterwards
    refs/<key>.json            which digest an address had, and what the store said of it then
    partial/<key>/             a download under way, kept where it broke off
    locks/<key>                held by the process that downloads

A digest is taken over names and content, so that an object can be compared with its name. An
object comes into being by a rename: there is no half of one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from umbel.graph.errors import DeclarationError

log = logging.getLogger("umbel.nodes.storage")

ENVIRONMENT = "UMBEL_CACHE"


@dataclass(frozen=True)
class Reference:
    """An address's content as it was last seen. ``name`` is the file or folder in the object;
    ``validator`` is empty where the store gave none."""

    digest: str
    name: str
    validator: str


class ModelCache:
    """The cache under ``root``: ``$UMBEL_CACHE``, or ``~/.cache/umbel/models``."""

    def __init__(self, root: Path | None = None) -> None:
        named = os.environ.get(ENVIRONMENT)
        self.root = root or Path(named or "~/.cache/umbel/models").expanduser()

    @contextlib.contextmanager
    def locked(self, key: str) -> Iterator[Path]:
        """Hold the lock of ``key``; gives the folder for its download. Waits for others."""
        try:
            for name in ("objects", "refs", "partial", "locks"):
                (self.root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            opened = (self.root / "locks" / key).open("w")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise DeclarationError(
                f"models are kept in {self.root}, which cannot be used: {error}; "
                f"set {ENVIRONMENT} to a folder that this process may write"
            ) from error
        with opened as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("another process is loading the same model; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.root / "partial" / key

    def known(self, key: str) -> Reference | None:
        """What the address had last, if it is still here."""
        try:
            found = Reference(**json.loads((self.root / "refs" / f"{key}.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return found if self.path(found).exists() else None

    def path(self, reference: Reference) -> Path:
        """Where the content of a reference lies."""
        return self.root / "objects" / reference.digest / reference.name

    def keep(self, key: str, content: Path, validator: str) -> Path:
        """Move ``content`` into the cache as what ``key`` has now. Returns where it lies."""
        reference = Reference(tree_digest(content), content.name, validator)
        home = self.root / "objects" / reference.digest
        if not home.exists():
            fresh = self.root / "objects" / f".{uuid.uuid4().hex}"
            fresh.mkdir()
            content.replace(fresh / content.name)
            try:
                fresh.rename(home)
            except OSError:  # another address with the same content was faster
                shutil.rmtree(fresh, ignore_errors=True)
        note = self.root / "refs" / f".{uuid.uuid4().hex}"
        note.write_text(json.dumps(asdict(reference)))
        note.replace(self.root / "refs" / f"{key}.json")
        return self.path(reference)


def tree_digest(path: Path) -> str:
    """SHA-256 over the names and contents of a file or folder, in hex."""
    whole = hashlib.sha256(f"{path.name}\n".encode())
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if not p.is_dir())
    for file in files:
        name = file.relative_to(path.parent).as_posix()
        what = f"-> {os.readlink(file)}" if file.is_symlink() else file_digest(file)
        whole.update(f"{name}\0{what}\n".encode())
    return whole.hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
