"""Credentials and volumes that worker pods need to read a resource's model.

A Secret is named, never read: its value goes from Kubernetes to the container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from umbel.k8s.manifests.workloads import Object
from umbel.k8s.resources import Loaded

VARIABLES: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN": "AWS_SESSION_TOKEN",
    "awsAccessKeyID": "AWS_ACCESS_KEY_ID",
    "awsSecretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "HF_TOKEN": "HF_TOKEN",
    "AZ_CLIENT_ID": "AZURE_CLIENT_ID",
    "AZ_CLIENT_SECRET": "AZURE_CLIENT_SECRET",
    "AZ_TENANT_ID": "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID": "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET": "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID": "AZURE_TENANT_ID",
    "AZURE_STORAGE_ACCESS_KEY": "AZURE_STORAGE_ACCESS_KEY",
}
"""Key of a Secret → the variable that the storage library reads."""

GCS_KEY = "gcloud-application-credentials.json"
GCS_FOLDER = "/var/secrets/gcs"
STORAGE_SECRET = "storage-config"  # noqa: S105 - a name
DEFAULT_ACCOUNT = "default"

_CLAIM = re.compile(r"pvc://([^/\s]+)")


def secret_env(loaded: Loaded, namespace: str, pod: Mapping[str, Any]) -> tuple[Object, ...]:
    """Variables from the Secrets that the pod's ServiceAccount lists, as far as both stand in
    the files, and ``STORAGE_CONFIG`` for a ``storage`` block with a key."""
    found: list[Object] = []
    for name, keys in _secrets(loaded, namespace, pod):
        found += [_from_secret(VARIABLES[key], name, key) for key in keys if key in VARIABLES]
        if GCS_KEY in keys:
            file = f"{GCS_FOLDER}/{GCS_KEY}"
            found.append({"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": file})
    key = _storage_key(pod)
    if key:
        found.append(_from_secret("STORAGE_CONFIG", STORAGE_SECRET, key))
    return tuple(found)


def secret_volumes(
    loaded: Loaded, namespace: str, pod: Mapping[str, Any]
) -> tuple[tuple[Object, ...], tuple[Object, ...]]:
    """Volumes and mounts: a Google account's key file, and the claims of ``pvc://`` URIs, where
    KServe mounts them."""
    volumes: list[Object] = []
    mounts: list[Object] = []
    for name, keys in _secrets(loaded, namespace, pod):
        if GCS_KEY in keys and not mounts:
            volumes.append({"name": "gcs-key", "secret": {"secretName": name}})
            mounts.append({"name": "gcs-key", "mountPath": GCS_FOLDER, "readOnly": True})
    for claim in sorted(set(_claims(pod))):
        volume = f"pvc-{claim}"[:63]
        source = {"claimName": claim, "readOnly": True}
        volumes.append({"name": volume, "persistentVolumeClaim": source})
        mounts.append({"name": volume, "mountPath": f"/mnt/pvc/{claim}", "readOnly": True})
    return tuple(volumes), tuple(mounts)


def _from_secret(variable: str, secret: str, key: str) -> Object:
    source = {"secretKeyRef": {"name": secret, "key": key}}
    return {"name": variable, "valueFrom": source}


def _secrets(
    loaded: Loaded, namespace: str, pod: Mapping[str, Any]
) -> Sequence[tuple[str, Sequence[str]]]:
    account = pod.get("serviceAccountName") or pod.get("serviceAccount") or DEFAULT_ACCOUNT
    names = [
        name
        for one in loaded.service_accounts
        if (one.namespace, one.name) == (namespace, account)
        for name in one.spec.secret_names
    ]
    keys = {
        one.name: sorted({*one.spec.data, *one.spec.string_data})
        for one in loaded.secrets
        if one.namespace == namespace
    }
    return [(name, keys[name]) for name in dict.fromkeys(names) if name in keys]


def _storage_key(pod: Mapping[str, Any]) -> str:
    for block in pod.values():
        storage = block.get("storage") if isinstance(block, Mapping) else None
        if isinstance(storage, Mapping) and storage.get("key"):
            return str(storage["key"])
    return ""


def _claims(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield from _CLAIM.findall(value)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _claims(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _claims(one)
