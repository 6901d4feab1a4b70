"""Puts the layers of an image on top of one another, as far as they concern a model.

Layers are tar files that may be hostile. Nothing is written outside of the target, links are
made last and none leads out of it, and what unpacks to more than the limits is given up. A file
``.wh.NAME`` in a layer takes NAME of the layers below away, ``.wh..wh..opq`` a folder's content.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from umbel.graph.errors import DeclarationError, MissingExtra
from umbel.nodes.storage.archives import BoundedHeaders, Limits, TooLarge, copy_within

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_ZSTD = b"\x28\xb5\x2f\xfd"


class ImageTree:
    """The folder ``into`` while layers are added. ``prefix`` is the folder of the image that is
    taken (``models``), empty for all; ``shown`` names the image in messages."""

    def __init__(self, shown: str, into: Path, prefix: str = "", limits: Limits | None = None):
        self._shown, self._into, self._prefix = shown, into, PurePosixPath(prefix).parts
        self._limits = limits or Limits()
        self._written = self._members = 0
        self._links: dict[Path, str] = {}
        self._fresh: set[Path] = set()
        self.outside: set[str] = set()
        """Names at the top of the layers that were left out."""
        into.mkdir(parents=True)

    @property
    def empty(self) -> bool:
        """Whether nothing was taken of any layer."""
        return not self._links and not any(self._into.iterdir())

    def add_layer(self, layer: Path) -> None:
        """Put a tar file, plain or compressed, on top. Raises DeclarationError."""
        self._fresh = set()
        try:
            with _opened(layer, self._shown) as tar:
                for info in tar:
                    self._one(tar, info)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise DeclarationError(f"{self._shown}: a layer is no tar file: {error}") from error
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise self._refused(f"holds {error.filename!r} twice") from error

    def add_file(self, name: str, content: Path) -> None:
        """Put one file in, under the path ``name``. Raises DeclarationError."""
        parts = self._parts(name)
        if not parts:
            raise self._refused(f"names a file {name!r}")
        self._copy(name, content.open("rb"), self._free(name, parts))

    def finish(self) -> None:
        """Make the links. Raises DeclarationError if one leads out."""
        home = self._into.resolve()
        for place, target in self._links.items():
            place.symlink_to(self._relative(place, target))
        for place in self._links:
            try:
                inside = place.resolve().is_relative_to(home)
            except (OSError, RuntimeError):  # a loop
                inside = False
            if not inside:
                raise self._refused(f"has a link {place.name!r} that leads out of it")

    def _one(self, tar: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        whole = self._parts(info.name)
        self._take_away(whole)
        if whole and whole[-1].startswith(_WHITEOUT):
            return
        parts = self._below(whole)
        if parts is None:
            self.outside.update(whole[:1])
            return
        self._members += 1
        if self._members > self._limits.members:
            raise self._refused(f"holds more than {self._limits.members} files")
        if not parts:
            if not info.isdir():
                raise self._refused(f"has a {info.name!r} that is no folder")
        elif info.isdir():
            self._folder(info.name, parts)
        elif info.issym():
            self._links[self._free(info.name, parts)] = info.linkname
        elif info.islnk():
            self._twin(info, parts)
        elif info.isreg():
            content = tar.extractfile(info)
            if content is not None:
                self._copy(info.name, content, self._free(info.name, parts))
        else:
            raise self._refused(f"holds {info.name!r}, which is no file, folder or link")

    def _parts(self, name: str) -> tuple[str, ...]:
        """A name in an image is meant from the image's root, with or without a slash."""
        parts = PurePosixPath(name.lstrip("/")).parts
        if ".." in parts or "\0" in name:
            raise self._refused(f"holds {name!r}, which lies outside of it")
        return parts

    def _below(self, parts: tuple[str, ...]) -> tuple[str, ...] | None:
        size = len(self._prefix)
        return parts[size:] if parts[:size] == self._prefix else None

    def _take_away(self, parts: tuple[str, ...]) -> None:
        if not parts or not parts[-1].startswith(_WHITEOUT):
            return
        opaque = parts[-1] == _OPAQUE
        if parts[-1].removeprefix(_WHITEOUT) in ("", ".", ".."):
            raise self._refused(f"takes away {parts[-1]!r}, which is no name")
        gone = parts[:-1] if opaque else (*parts[:-1], parts[-1].removeprefix(_WHITEOUT))
        if self._prefix[: len(gone)] == gone:
            self._remove_below(self._into)
        elif (inner := self._below(gone)) is not None:
            self._remove_below(self._into.joinpath(*inner))

    def _remove_below(self, place: Path) -> None:
        """What layers below put at ``place`` and under it; this layer's own stays."""
        for link in [link for link in self._links if link == place or place in link.parents]:
            if link not in self._fresh:
                del self._links[link]
        if place.is_dir():
            for one in sorted(place.rglob("*"), reverse=True):
                self._remove_one(one)
        if place != self._into:
            self._remove_one(place)

    def _remove_one(self, place: Path) -> None:
        if place in self._fresh:
            return
        if place.is_dir():
            with contextlib.suppress(OSError):  # this layer's files are in it
                place.rmdir()
        else:
            place.unlink(missing_ok=True)

    def _folder(self, name: str, parts: tuple[str, ...]) -> None:
        place = self._into.joinpath(*parts)
        if not place.is_dir():
            self._free(name, parts).mkdir()

    def _free(self, name: str, parts: tuple[str, ...]) -> Path:
        """The place for a new entry; what a layer below had there is gone."""
        place = self._into.joinpath(*parts)
        for folder in (*reversed(place.parents), place):
            if folder in self._links and folder != place:
                raise self._refused(f"holds {name!r} inside of a link")
        if place in self._fresh:
            raise self._refused(f"holds {name!r} twice")
        self._links.pop(place, None)
        if place.is_dir():
            shutil.rmtree(place)
            self._links = {k: v for k, v in self._links.items() if place not in k.parents}
        else:
            place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        self._fresh.add(place)
        return place

    def _twin(self, info: tarfile.TarInfo, parts: tuple[str, ...]) -> None:
        inner = self._below(self._parts(info.linkname))
        source = self._into.joinpath(*inner) if inner else None
        if source in self._links:
            self._links[self._free(info.name, parts)] = self._links[source]
        elif source is not None and source.is_file():
            self._copy(info.name, source.open("rb"), self._free(info.name, parts))
        else:
            raise self._refused(f"has a link {info.name!r} that leads out of it")

    def _copy(self, name: str, source: IO[bytes], place: Path) -> None:
        try:
            self._written += copy_within(source, place, self._limits.total_bytes - self._written)
        except TooLarge:
            raise self._refused(
                f"unpacks to more than {self._limits.total_bytes:,} bytes (at {name!r})"
            ) from None

    def _relative(self, place: Path, target: str) -> str:
        """An absolute target is meant from the image's root."""
        path = PurePosixPath(target)
        if not path.is_absolute():
            return target
        inner = self._below(path.parts[1:])
        if inner is None:
            raise self._refused(f"has a link {place.name!r} that leads out of it")
        return os.path.relpath(self._into.joinpath(*inner), place.parent)

    def _refused(self, reason: str) -> DeclarationError:
        return DeclarationError(f"the image {self._shown} {reason}: it is not unpacked")


@contextlib.contextmanager
def _opened(layer: Path, shown: str) -> Iterator[tarfile.TarFile]:
    """Read as a stream: gzip, bzip2, xz and no compression are told apart by their first bytes,
    as is Zstandard, which Python reads from 3.14 on."""
    with contextlib.ExitStack() as held:
        source: Any = held.enter_context(layer.open("rb"))
        compressed = source.read(4) == _ZSTD
        source.seek(0)
        if compressed:
            try:
                import zstandard
            except ImportError as error:
                raise MissingExtra(f"{shown} (compressed with zstd)", "zstandard", "oci") from error
            source = held.enter_context(zstandard.ZstdDecompressor().stream_reader(source))
        yield held.enter_context(
            tarfile.open(
                fileobj=source,
                mode="r|" if compressed else "r|*",
                tarinfo=BoundedHeaders,
            )
        )
