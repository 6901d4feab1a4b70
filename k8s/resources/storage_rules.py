"""Where a component's model may lie: one place, of a kind that can be read."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from umbel.graph.findings import Finding
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.component import Component, StorageUri
from umbel.k8s.resources.explainer import Explainer, ExplainerBlock
from umbel.k8s.resources.inference_service import InferenceServiceSpec
from umbel.k8s.resources.predictor import FrameworkModel, Predictor
from umbel.k8s.resources.resource import Resource

SCHEMES = (
    "gs",
    "s3",
    "pvc",
    "file",
    "https",
    "http",
    "hdfs",
    "webhdfs",
    "oci",
    "oci+native",
    "oci+fetch",
    "hf",
)
"""What KServe's storage initializer reads out of the box; a path without a scheme is local."""

SPEC_SCHEMES = ("s3", "hdfs", "webhdfs")
"""What a ``storage`` block (credentials by key) can read."""

_RESOURCE_ID = re.compile(r"kbs:///[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/[a-zA-Z0-9_.-]+")

Service = Resource[InferenceServiceSpec]
Block = FrameworkModel | ExplainerBlock


def storage_findings(service: Service, component: Component, path: Path) -> Iterator[Finding]:
    """The rules for storageUri, storageUris, storage and confidential of one component."""
    uri, where = location(component)
    if uri is not None and component.storage_uris:
        yield service.finding(
            "error",
            "UMB-K207",
            (*path, "storageUris"),
            f"both storageUris and {'.'.join(str(part) for part in where)} are given",
            "keep one of the two; storageUris can hold several",
        )
    if uri:
        yield from _scheme(service, uri, (*path, *where))
    for index, one in enumerate(component.storage_uris):
        yield from _entry(service, one, (*path, "storageUris", index))
    yield from _together(service, component.storage_uris, (*path, "storageUris"))
    for name, block in _blocks(component):
        yield from _spec(service, block, (*path, name))
        if isinstance(block, FrameworkModel):
            yield from _confidential(service, block, (*path, name))


def location(component: Component) -> tuple[str | None, Path]:
    """The component's single storage URI and the path it stands at, below the component."""
    for name, block in _blocks(component):
        return block.storage_uri, (name, "storageUri")
    for index, container in enumerate(component.containers):
        if container.name != "transformer-container":
            for number, variable in enumerate(container.env):
                if variable.name == "STORAGE_URI":
                    return variable.value, ("containers", index, "env", number)
    return None, ()


def _blocks(component: Component) -> tuple[tuple[str, Block], ...]:
    if isinstance(component, Predictor):
        return component.model_blocks
    return component.blocks if isinstance(component, Explainer) else ()


def _scheme(service: Service, uri: str, path: Path) -> Iterator[Finding]:
    scheme, separator, _ = uri.partition("://")
    if separator and scheme not in SCHEMES:
        yield service.finding(
            "warning",
            "UMB-K222",
            path,
            f"KServe does not read {scheme}:// unless a ClusterStorageContainer is set up for it",
            f"use one of {', '.join(SCHEMES)} if the file is for KServe too",
        )


def _entry(service: Service, entry: StorageUri, path: Path) -> Iterator[Finding]:
    mount = entry.mount_path
    if not entry.uri and not service.is_broken((*path, "uri")):
        yield service.finding("error", "UMB-K208", path, "the uri is empty", "add 'uri:'")
    elif entry.uri:
        yield from _scheme(service, entry.uri, (*path, "uri"))
    problem = ""
    if mount == "/":
        problem = "may not be the root directory"
    elif not mount.startswith("/"):
        problem = "must be absolute"
    elif ".." in mount:
        problem = "may not hold '..'"
    if problem:
        yield service.finding(
            "error",
            "UMB-K208",
            (*path, "mountPath"),
            f"mountPath {problem}; got {mount!r}",
            "use a path such as /mnt/models/base",
        )


def _together(service: Service, entries: Sequence[StorageUri], path: Path) -> Iterator[Finding]:
    plain = [one.mount_path for one in entries if not one.uri.startswith("pvc://")]
    claims = [one.mount_path for one in entries if one.uri.startswith("pvc://")]
    twice = sorted({mount for mount in claims if claims.count(mount) > 1})
    if twice:
        yield service.finding(
            "error",
            "UMB-K208",
            path,
            f"two PVCs cannot be mounted at one path: {', '.join(twice)}",
            "give each its own mountPath",
        )
    absolute = [mount for mount in plain if mount.startswith("/") and mount != "/"]
    if len(absolute) > 1 and posixpath.commonpath(absolute) == "/":
        yield service.finding(
            "error",
            "UMB-K208",
            path,
            f"the mount paths have no common parent directory: {', '.join(absolute)}",
            "put them below one directory, as /mnt/models/a and /mnt/models/b",
        )


def _spec(service: Service, block: Block, path: Path) -> Iterator[Finding]:
    storage = block.storage
    if storage is None:
        return
    listed = ", ".join(f"{one}://" for one in SPEC_SCHEMES)
    if block.storage_uri is not None:
        scheme = block.storage_uri.partition("://")[0]
        if scheme not in SPEC_SCHEMES:
            yield service.finding(
                "warning",
                "UMB-K214",
                (*path, "storageUri"),
                f"with a storage block the URI must start with one of {listed}; "
                f"got {block.storage_uri!r}",
                "remove the storage block, or use one of these",
            )
        elif storage.path is not None:
            yield service.finding(
                "error",
                "UMB-K207",
                (*path, "storage", "path"),
                "both storageUri and storage.path are given",
                "keep one of the two",
            )
        return
    kind = storage.parameters.get("type")
    if kind is not None and kind not in SPEC_SCHEMES:
        yield service.finding(
            "warning",
            "UMB-K214",
            (*path, "storage", "parameters", "type"),
            f"the storage type must be one of {', '.join(SPEC_SCHEMES)}; got {kind!r}",
            "use one of them, or a storageUri",
        )


def _confidential(service: Service, block: FrameworkModel, path: Path) -> Iterator[Finding]:
    wanted = block.confidential
    if wanted is None or not wanted.enabled:
        return
    where = (*path, "confidential")
    if not block.storage_uri:
        yield service.finding(
            "error",
            "UMB-K209",
            where,
            "confidential serving needs a storageUri",
            "add 'storageUri:' next to it",
        )
    elif block.storage_uri.startswith("oci://"):
        yield service.finding(
            "warning",
            "UMB-K209",
            where,
            "confidential has no effect with oci://: the container runtime decrypts images",
            "remove it",
        )
    if wanted.resource_id and not _RESOURCE_ID.fullmatch(wanted.resource_id):
        yield service.finding(
            "error",
            "UMB-K209",
            (*where, "resourceId"),
            f"resourceId must look like kbs:///repo/type/tag; got {wanted.resource_id!r}",
            "write all three parts",
        )
