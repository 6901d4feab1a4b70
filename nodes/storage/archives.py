"""Unpacks tar and zip archives that may be hostile.

Nothing is written outside the target, no link leads out of it, and an archive that grows
beyond the limits is given up. A violation refuses the whole archive: half of a model is no
model.
"""

from __future__ import annotations

import contextlib
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from umbel.graph.errors import DeclarationError

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


@dataclass(frozen=True)
class Limits:
    """Against archives that unpack to more than a disk holds. Bytes are counted as they are
    written, whatever the archive says of itself."""

    total_bytes: int = 200 << 30
    members: int = 100_000


@dataclass(frozen=True)
class _Member:
    name: str
    kind: str  # file, folder, link (symbolic), twin (hard link)
    target: str = ""
    source: object = None


class BoundedHeaders(tarfile.TarInfo):
    """tarfile reads a member's long name and its extended attributes into memory, however many
    bytes the archive says they have."""

    longest = 1 << 20
    _KINDS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
              tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)  # fmt: skip

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> BoundedHeaders:
        """A header out of its block. Raises ReadError for one that wants too much."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in cls._KINDS and found.size > cls.longest:
            raise tarfile.ReadError(f"a name or attribute of {found.size:,} bytes")
        return found


class TooLarge(Exception):
    """More bytes came than may."""


def copy_within(source: IO[bytes], place: Path, room: int) -> int:
    """Write a new file of at most ``room`` bytes, and return how many. Raises ``TooLarge``
    before it writes more."""
    written = 0
    with source, place.open("xb") as target:
        while block := source.read(1 << 20):
            written += len(block)
            if written > room:
                raise TooLarge
            target.write(block)
    return written


def is_archive(path: Path) -> bool:
    """By its name: many formats of models are zip files themselves."""
    return path.name.lower().endswith(SUFFIXES)


def unpack(path: Path, into: Path, limits: Limits | None = None) -> None:
    """Unpack ``path`` into the new folder ``into``. Raises DeclarationError, leaving nothing."""
    try:
        into.mkdir(parents=True)
        if path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                _Unpacking(path, into, limits or Limits()).run(_zip_members(archive), archive)
        else:
            with tarfile.open(path, tarinfo=BoundedHeaders) as tar:
                _Unpacking(path, into, limits or Limits()).run(_tar_members(tar), tar)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, RuntimeError) as error:
        shutil.rmtree(into, ignore_errors=True)
        raise DeclarationError(f"{path.name} is no complete archive: {error}") from error
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        mode = info.external_attr >> 16
        if info.is_dir():
            yield _Member(info.filename, "folder")
        elif stat.S_ISLNK(mode):
            target = archive.read(info) if info.file_size < 4096 else b"/"
            yield _Member(info.filename, "link", target.decode("utf-8", "replace"))
        elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
            yield _Member(info.filename, "file", source=info)
        else:
            yield _Member(info.filename, "device")


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        if info.isdir():
            yield _Member(info.name, "folder")
        elif info.issym():
            yield _Member(info.name, "link", info.linkname)
        elif info.islnk():
            yield _Member(info.name, "twin", info.linkname)
        elif info.isreg():
            yield _Member(info.name, "file", source=info)
        else:
            yield _Member(info.name, "device")


class _Unpacking:
    def __init__(self, path: Path, into: Path, limits: Limits) -> None:
        self._path, self._into, self._limits = path, into, limits
        self._written = 0
        self._links: list[tuple[Path, str]] = []

    def run(self, members: Iterator[_Member], archive: zipfile.ZipFile | tarfile.TarFile) -> None:
        for number, member in enumerate(members):
            if number >= self._limits.members:
                raise self._refused(f"holds more than {self._limits.members} members")
            try:
                self._one(member, archive)
            except (FileExistsError, NotADirectoryError, IsADirectoryError, FileNotFoundError):
                raise self._refused(f"holds {member.name!r} twice or at no place") from None
        # Links come last, so that no file or folder is ever made through one.
        home = self._into.resolve()
        for place, _ in self._links:
            with contextlib.suppress(FileExistsError, NotADirectoryError):
                place.parent.mkdir(parents=True, exist_ok=True)
        for place, target in self._links:
            if place.is_symlink() or place.exists():
                raise self._refused(f"holds {place.name!r} twice")
            lexical = home / place.parent.relative_to(self._into)
            if place.parent.resolve() != lexical or not lexical.is_dir():
                raise self._refused(f"has a link {place.name!r} inside of a link or file")
            place.symlink_to(target)
        for place, _ in self._links:
            if not place.resolve().is_relative_to(home):
                raise self._refused(f"has a link {place.name!r} that leads out of it")

    def _one(self, member: _Member, archive: zipfile.ZipFile | tarfile.TarFile) -> None:
        place = self._place(member.name)
        if member.kind == "folder":
            place.mkdir(parents=True, exist_ok=True)
        elif member.kind == "link":
            if PurePosixPath(member.target).is_absolute():
                raise self._refused(f"has a link {member.name!r} that leads out of it")
            self._links.append((place, member.target))
        elif member.kind == "twin":
            self._copy(member.name, self._place(member.target).open("rb"), place)
        elif member.kind == "file":
            opened = (
                archive.open(member.source)  # type: ignore[arg-type]
                if isinstance(archive, zipfile.ZipFile)
                else archive.extractfile(member.source)  # type: ignore[arg-type]
            )
            if opened is not None:
                self._copy(member.name, opened, place)
        else:
            raise self._refused(f"holds {member.name!r}, which is no file, folder or link")

    def _place(self, name: str) -> Path:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in (parts.parts or ("",))[0]:
            raise self._refused(f"holds {name!r}, which lies outside of it")
        if "\0" in name:
            raise self._refused(f"holds {name!r}, which is no name")
        return self._into.joinpath(*parts.parts)

    def _copy(self, name: str, source: IO[bytes], place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._written += copy_within(source, place, self._limits.total_bytes - self._written)
        except TooLarge:
            raise self._refused(
                f"unpacks to more than {self._limits.total_bytes:,} bytes (at {name!r})"
            ) from None

    def _refused(self, reason: str) -> DeclarationError:
        return DeclarationError(f"the archive {self._path.name} {reason}: it is not unpacked")
