"""Credentials and volumes that worker pods need to read a resource's model.

A Secret is named, never read: its value goes from Kubernetes to the container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from umbel.k8s.manifests.workloads import Object
from umbel.k8s.resources import Loaded, Resource
from umbel.k8s.resources.storage_objects import Secret
from umbel.k8s.resources.storage_secrets import (
    DEFAULT_ACCOUNT,
    GCS_KEY,
    HDFS_KEY,
    HEADERS_KEY,
    HOST_KEY,
    LOGINS_KEY,
    STORAGE_SECRET,
    VARIABLES,
    account_of,
    annotation_variables,
    headers_variable,
    pull_secrets,
    reads_images,
    storage_key,
    storage_override,
)

GCS_FOLDER = "/var/secrets/gcs"

HDFS_FOLDER = "/var/secrets/kserve-hdfscreds"
LOGINS_FOLDER = "/var/secrets/registry"

_CLAIM = re.compile(r"pvc://([^/\s]+)")


def secret_env(loaded: Loaded, namespace: str, pod: Mapping[str, Any]) -> tuple[Object, ...]:
    """Variables from the Secrets that the pod's ServiceAccount lists, as far as both stand in
    the files, and those of a ``storage`` block: its key and what is laid over it."""
    found: list[Object] = []
    for secret in _secrets(loaded, namespace, pod):
        found += _of_one(secret)
    if _pull_secrets(loaded, namespace, pod):
        found.append({"name": "UMBEL_REGISTRY_AUTH", "value": LOGINS_FOLDER})
    key, override = storage_key(pod), storage_override(pod)
    if key is not None:
        found.append(
            _from_secret("STORAGE_CONFIG", STORAGE_SECRET, key.name, optional=not key.named)
        )
    if override:
        found.append({"name": "STORAGE_OVERRIDE_CONFIG", "value": override})
    return tuple(found)


def _of_one(secret: Resource[Secret]) -> Iterable[Object]:
    name, keys = secret.name, _keys(secret)
    yield from (_from_secret(VARIABLES[key], name, key) for key in keys if key in VARIABLES)
    for variable, value in sorted(annotation_variables(secret.annotations).items()):
        yield {"name": variable, "value": value}
    if GCS_KEY in keys:
        file = f"{GCS_FOLDER}/{GCS_KEY}"
        yield {"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": file}
    host = secret.spec.values().get(HOST_KEY) if HEADERS_KEY in keys else None
    if host:
        yield _from_secret(headers_variable(host), name, HEADERS_KEY)


def secret_volumes(
    loaded: Loaded, namespace: str, pod: Mapping[str, Any]
) -> tuple[tuple[Object, ...], tuple[Object, ...]]:
    """Volumes and mounts: a Google account's key file, HDFS settings, the logins of pull secrets
    for ``oci://`` URIs, and the claims of ``pvc://`` URIs, where KServe mounts them."""
    volumes: list[Object] = []
    mounts: list[Object] = []
    for secret in _secrets(loaded, namespace, pod):
        if GCS_KEY in _keys(secret) and not mounts:
            volumes.append({"name": "gcs-key", "secret": {"secretName": secret.name}})
            mounts.append({"name": "gcs-key", "mountPath": GCS_FOLDER, "readOnly": True})
    for secret in _secrets(loaded, namespace, pod):
        if HDFS_KEY in _keys(secret):
            volumes.append({"name": "hdfs-secret", "secret": {"secretName": secret.name}})
            mounts.append({"name": "hdfs-secret", "mountPath": HDFS_FOLDER, "readOnly": True})
            break
    if pulls := _pull_secrets(loaded, namespace, pod):
        sources = [_logins(name, number) for number, name in enumerate(pulls)]
        volumes.append({"name": "registry-logins", "projected": {"sources": sources}})
        mounts.append({"name": "registry-logins", "mountPath": LOGINS_FOLDER, "readOnly": True})
    for claim in sorted(set(_claims(pod))):
        volume = f"pvc-{claim}"[:63]
        source = {"claimName": claim, "readOnly": True}
        volumes.append({"name": volume, "persistentVolumeClaim": source})
        mounts.append({"name": volume, "mountPath": f"/mnt/pvc/{claim}", "readOnly": True})
    return tuple(volumes), tuple(mounts)


def _from_secret(variable: str, secret: str, key: str, *, optional: bool = False) -> Object:
    source = {"name": secret, "key": key, **({"optional": True} if optional else {})}
    return {"name": variable, "valueFrom": {"secretKeyRef": source}}


def _secrets(loaded: Loaded, namespace: str, pod: Mapping[str, Any]) -> Sequence[Resource[Secret]]:
    account = account_of(pod) or DEFAULT_ACCOUNT
    names = [
        name
        for one in loaded.service_accounts
        if (one.namespace, one.name) == (namespace, account)
        for name in one.spec.secret_names
    ]
    there = {one.name: one for one in loaded.secrets if one.namespace == namespace}
    return [there[name] for name in dict.fromkeys(names) if name in there]


def _pull_secrets(loaded: Loaded, namespace: str, pod: Mapping[str, Any]) -> Sequence[str]:
    """What pulls the pod's image signs it in to the registry of its model too."""
    if not reads_images(pod):
        return ()
    account = account_of(pod) or DEFAULT_ACCOUNT
    of_account = (
        name
        for one in loaded.service_accounts
        if (one.namespace, one.name) == (namespace, account)
        for name in one.spec.pull_secret_names
    )
    return tuple(dict.fromkeys((*pull_secrets(pod), *of_account)))


def _logins(name: str, number: int) -> Object:
    """Kubernetes overlooks a pull secret that is missing; so does this."""
    items = [{"key": LOGINS_KEY, "path": f"{number}.json"}]
    return {"secret": {"name": name, "items": items, "optional": True}}


def _keys(secret: Resource[Secret]) -> Sequence[str]:
    return sorted({*secret.spec.data, *secret.spec.string_data})


def _claims(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield from _CLAIM.findall(value)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _claims(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _claims(one)
