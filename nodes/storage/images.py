"""Models in a registry: KServe's "modelcar" images and artifacts of files.

An image keeps the model in its folder ``/models``, as KServe wants it. An artifact (``oras
push``, ModelPack) has a file or a tar file a layer, with its name in an annotation.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage import archives, free_space
from umbel.nodes.storage.image_layers import ImageTree
from umbel.nodes.storage.image_names import image_name
from umbel.nodes.storage.locations import Location
from umbel.nodes.storage.object_store import NothingThere
from umbel.nodes.storage.registry import Descriptor, Manifest, Registry
from umbel.nodes.storage.url_policy import UrlPolicy

FOLDER = "models"
AT_ONCE = 4
_NAMES = ("org.opencontainers.image.title", "org.cncf.model.filepath")
_UNPACK = "io.deis.oras.content.unpack"


@dataclass(frozen=True)
class StoredImage:
    """An image as its registry has it now. ``digest`` changes with its content."""

    registry: Registry
    digest: str
    manifest: Manifest

    @property
    def validator(self) -> str:
        """Names the content, and is a file's name too."""
        return hashlib.sha256(self.digest.encode()).hexdigest()


def look(
    location: Location,
    policy: UrlPolicy,
    attempts: int,
    environ: Mapping[str, str] = os.environ,
) -> StoredImage:
    """The image's manifest. Raises DeclarationError, NothingThere if there is none."""
    name = image_name(location.address)
    registry = Registry(name, location.shown, policy, environ, attempts)
    digest, manifest = registry.manifest()
    return StoredImage(registry, digest, manifest)


def download(location: Location, image: StoredImage, partial: Path) -> Path:
    """The model of the image under ``partial``, where layers of an earlier attempt may lie.
    Returns its folder; an artifact of one archive gives the archive."""
    manifest, shown = image.manifest, location.shown
    layers = [one for one in manifest.layers if manifest.is_image or _kind(one)]
    if not layers:
        raise DeclarationError(
            f"{shown} holds no files: its layers are "
            f"{', '.join(sorted({one.media_type for one in manifest.layers})) or 'none'}, without "
            "a name in org.opencontainers.image.title"
        )
    blobs = partial / image.validator
    if partial.exists() and not blobs.exists():
        shutil.rmtree(partial)
    blobs.mkdir(parents=True, exist_ok=True)
    free_space.require(sum(one.size for one in layers) - _size(blobs), partial, shown)
    home = partial / "tree" / image.registry.image.folder
    try:
        files = _all(image.registry, layers, blobs)
    except OSError as error:
        raise _full(error, location, partial) from error
    shutil.rmtree(home.parent, ignore_errors=True)
    try:
        return _put_together(location, manifest, layers, files, home)
    except OSError as error:
        raise _full(error, location, partial) from error
    except DeclarationError:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _full(error: OSError, location: Location, partial: Path) -> OSError | DeclarationError:
    if not free_space.is_full(error):
        return error
    shutil.rmtree(partial, ignore_errors=True)
    return free_space.full(partial.parent.parent, location.shown)


def _all(registry: Registry, layers: list[Descriptor], blobs: Path) -> list[Path]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        places = {one.digest: one for one in layers}
        jobs = {
            digest: pool.submit(registry.blob, one, blobs / digest.replace(":", "-"))
            for digest, one in places.items()
        }
        try:
            return [jobs[one.digest].result() for one in layers]
        except BaseException:
            for job in jobs.values():
                job.cancel()
            raise


def _put_together(
    location: Location,
    manifest: Manifest,
    layers: list[Descriptor],
    files: list[Path],
    home: Path,
) -> Path:
    tree = ImageTree(location.shown, home, FOLDER if manifest.is_image else "")
    for number, (layer, file) in enumerate(zip(layers, files, strict=True)):
        if manifest.is_image or _kind(layer) == "tar":
            tree.add_layer(file)
        else:
            tree.add_file(_title(layer), file)
        if file not in files[number + 1 :]:
            file.unlink()  # two copies of a large model need not lie on the disk at once
    tree.finish()
    if tree.empty:
        there = ", ".join(sorted(tree.outside)[:10])
        raise NothingThere(
            f"{location.shown} has no folder /{FOLDER}, where an image keeps its model; at its "
            f"top are: {there or 'no files'}"
        )
    inside = list(home.iterdir())
    if not manifest.is_image and len(inside) == 1 and archives.is_archive(inside[0]):
        return inside[0]
    return home


def _kind(layer: Descriptor) -> str:
    """``tar``, ``file`` or nothing that can be placed."""
    tar = layer.media_type.replace(".", "+").split("+")
    packed = "tar" in tar or "tgz" in tar
    if layer.annotations.get(_UNPACK) == "true" or (packed and not _title(layer)):
        return "tar"
    if packed and _NAMES[1] in layer.annotations:  # ModelPack packs what it names
        return "tar"
    return "file" if _title(layer) else ""


def _title(layer: Descriptor) -> str:
    return next((layer.annotations[name] for name in _NAMES if name in layer.annotations), "")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
