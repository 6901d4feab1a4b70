"""What KServe's storage Secrets mean: keys and annotations → the variables of storage libraries.

A component's ServiceAccount lists Secrets; a ``storage`` block names a key of the Secret
``storage-config``. Names, keys and annotations only: no value is read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from umbel.k8s.resources.predictor import MODEL_BLOCKS

STORAGE_SECRET = "storage-config"  # noqa: S105 - a name
DEFAULT_ACCOUNT = "default"

GCS_KEY = "gcloud-application-credentials.json"
"""Key of a Secret that holds a Google account's key file."""

VARIABLES: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN": "AWS_SESSION_TOKEN",
    "awsAccessKeyID": "AWS_ACCESS_KEY_ID",
    "awsSecretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "HF_TOKEN": "HF_TOKEN",
    "AZ_CLIENT_ID": "AZURE_CLIENT_ID",
    "AZ_CLIENT_SECRET": "AZURE_CLIENT_SECRET",
    "AZ_SUBSCRIPTION_ID": "AZURE_SUBSCRIPTION_ID",
    "AZ_TENANT_ID": "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID": "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET": "AZURE_CLIENT_SECRET",
    "AZURE_SUBSCRIPTION_ID": "AZURE_SUBSCRIPTION_ID",
    "AZURE_TENANT_ID": "AZURE_TENANT_ID",
    "AZURE_STORAGE_ACCESS_KEY": "AZURE_STORAGE_ACCESS_KEY",
}
"""Key of a Secret → the variable that the storage library reads."""

HDFS_KEY = "HDFS_NAMENODE"
HDFS_KEYS = ("HDFS_NAMENODE", "USER_PROXY", "HDFS_ROOTPATH", "TLS_SKIP_VERIFY", "HEADERS")
"""Keys of a Secret for Hadoop's file system; its certificates and keytab are files."""

LOGINS_KEY = ".dockerconfigjson"
"""Key of a pull secret, which holds logins of registries."""

HOST_KEY, HEADERS_KEY = "https-host", "headers"
"""Keys of a Secret for web downloads: the host, and its headers, one a line."""

_ANNOTATIONS = {
    "s3-region": "AWS_DEFAULT_REGION",
    "s3-verifyssl": "S3_VERIFY_SSL",
    "s3-useanoncredential": "awsAnonymousCredential",
    "s3-usevirtualbucket": "S3_USER_VIRTUAL_BUCKET",
    "s3-useaccelerate": "S3_USE_ACCELERATE",
    "s3-cabundle": "AWS_CA_BUNDLE",
}
_GROUPS = ("serving.kubeflow.org", "serving.kserve.io")
_TRUE = ("1", "true", "yes")


def annotation_variables(annotations: Mapping[str, Any]) -> dict[str, str]:
    """How to reach the store, which a Secret's annotations say: endpoint, region, switches."""
    said = {
        key.removeprefix(f"{group}/"): str(value)
        for group in _GROUPS
        for key, value in annotations.items()
        if key.startswith(f"{group}/s3-")
    }
    found = {_ANNOTATIONS[key]: value for key, value in said.items() if key in _ANNOTATIONS}
    if endpoint := said.get("s3-endpoint"):
        secure = said.get("s3-usehttps", "1").lower() in _TRUE
        found["AWS_ENDPOINT_URL"] = f"{'https' if secure else 'http'}://{endpoint}"
    return found


def account_of(component: Any) -> str:
    """The ServiceAccount that a component runs as, where it names one."""
    if not isinstance(component, Mapping):
        return ""
    return str(component.get("serviceAccountName") or component.get("serviceAccount") or "")


def pull_secrets(owner: Any) -> tuple[str, ...]:
    """The Secrets that a component or a ServiceAccount names for pulling images."""
    named = owner.get("imagePullSecrets") if isinstance(owner, Mapping) else None
    entries = named if isinstance(named, (list, tuple)) else ()
    return tuple(
        str(entry["name"]) for entry in entries if isinstance(entry, Mapping) and entry.get("name")
    )


def reads_images(component: Any) -> bool:
    """Whether a model of the component lies in a registry."""
    if isinstance(component, str):
        return component.startswith(("oci://", "oci+fetch://", "oci+native://"))
    if isinstance(component, Mapping):
        return any(map(reads_images, component.values()))
    return isinstance(component, (list, tuple)) and any(map(reads_images, component))


def headers_variable(host: str) -> str:
    """The variable that has the headers of downloads from ``host``."""
    return f"{host.strip()}-headers"


@dataclass(frozen=True)
class StorageKey:
    """The key of `STORAGE_SECRET` that a predictor's storage block reads. One that the block
    names must be there; KServe's own default is used if it is."""

    name: str
    named: bool


def storage_block(predictor: Any) -> Mapping[str, Any] | None:
    """The ``storage`` of a predictor's model, as plain data."""
    if not isinstance(predictor, Mapping):
        return None
    for name in MODEL_BLOCKS:
        block = predictor.get(name)
        storage = block.get("storage") if isinstance(block, Mapping) else None
        if isinstance(storage, Mapping):
            return storage
    return None


def storage_key(predictor: Any) -> StorageKey | None:
    """The key that a predictor's model is read with: None without a ``storage`` block. Without
    ``key`` it is ``default_TYPE``, or ``default`` where no type is given."""
    storage = storage_block(predictor)
    if storage is None:
        return None
    if storage.get("key"):
        return StorageKey(str(storage["key"]), named=True)
    kind = _parameters(storage).get("type")
    return StorageKey(f"default_{kind}" if kind else "default", named=False)


def storage_override(predictor: Any) -> str:
    """``storage.parameters`` as JSON: they win over what the Secret says. Empty for none."""
    parameters = _parameters(storage_block(predictor) or {})
    return json.dumps(dict(parameters), sort_keys=True) if parameters else ""


def _parameters(storage: Mapping[str, Any]) -> Mapping[str, Any]:
    found = storage.get("parameters")
    return found if isinstance(found, Mapping) else {}
