"""Storage credentials: which Secrets a resource may use, and what they become.

As in KServe, a component's ServiceAccount lists the Secrets, and a storage block names a key of
the Secret ``storage-config``. Both are looked up in the resource's own namespace only; a name
with a namespace in it finds nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from umbel.graph.findings import Finding, Place, Severity
from umbel.k8s.operator.world import Raw, World

STORAGE_SECRET = "storage-config"  # noqa: S105 - a name
DEFAULT_ACCOUNT = "default"

_PLAIN = {
    "awsAccessKeyID": "AWS_ACCESS_KEY_ID",
    "awsSecretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN": "AWS_SESSION_TOKEN",
    "HF_TOKEN": "HF_TOKEN",
    "AZ_CLIENT_ID": "AZURE_CLIENT_ID",
    "AZ_CLIENT_SECRET": "AZURE_CLIENT_SECRET",
    "AZ_TENANT_ID": "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID": "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET": "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID": "AZURE_TENANT_ID",
    "AZURE_STORAGE_ACCESS_KEY": "AZURE_STORAGE_ACCESS_KEY",
}
"""Keys of a Secret → the variable the storage library reads."""

_ANNOTATIONS = {
    "serving.kserve.io/s3-region": "AWS_DEFAULT_REGION",
    "serving.kserve.io/s3-verifyssl": "S3_VERIFY_SSL",
    "serving.kserve.io/s3-useanoncredential": "awsAnonymousCredential",
    "serving.kserve.io/s3-usevirtualbucket": "S3_USER_VIRTUAL_BUCKET",
    "serving.kserve.io/s3-useaccelerate": "S3_USE_ACCELERATE",
}


def accounts_of(spec: Mapping[str, Any]) -> set[str]:
    """The ServiceAccounts a service's components run as."""
    components = [spec.get(name) for name in ("predictor", "transformer", "explainer")]
    components += [one.get("predictor") for one in spec.get("canary") or () if _is_map(one)]
    return {
        str(one.get("serviceAccountName") or DEFAULT_ACCOUNT) for one in components if _is_map(one)
    }


def secrets_of(spec: Mapping[str, Any], accounts: Iterable[Raw]) -> set[str]:
    """The Secrets a service may use: those its accounts list, and the storage Secret if a
    storage block names a key."""
    names = {
        str(entry.get("name"))
        for account in accounts
        for entry in account.get("secrets") or ()
        if _is_map(entry) and entry.get("name")
    }
    if _storage_key(spec):
        names.add(STORAGE_SECRET)
    return names


def environment(world: World, namespace: str, spec: Mapping[str, Any]) -> dict[str, str]:
    """The variables that sign a service's predictor in to its storage; empty if none is asked
    for. Nothing of another namespace is looked at."""
    predictor = spec.get("predictor")
    asked = predictor.get("serviceAccountName") if _is_map(predictor) else ""
    account = world.accounts.get((namespace, str(asked or DEFAULT_ACCOUNT)))
    found: dict[str, str] = {}
    for name in sorted(secrets_of({}, [account] if account else ())):
        secret = world.secrets.get((namespace, name))
        if secret is not None:
            found.update(_variables(secret))
    key = _storage_key(spec)
    secret = world.secrets.get((namespace, STORAGE_SECRET)) if key else None
    if secret is not None and key in (values := values_of(secret)):
        found["STORAGE_CONFIG"] = values[key]
    return found


def missing(world: World, namespace: str, spec: Mapping[str, Any]) -> list[Finding]:
    """What a service's predictor names that is not there, each with what to do."""
    predictor = spec.get("predictor")
    asked = str(predictor.get("serviceAccountName") or "") if _is_map(predictor) else ""
    account = world.accounts.get((namespace, asked or DEFAULT_ACCOUNT))
    found = []
    if asked and account is None:
        text = f"there is no ServiceAccount {asked!r} in namespace {namespace!r}"
        found.append(
            _finding("error", "UMB-K702", text, f"create it, or correct the name {asked!r}")
        )
    for name in sorted(secrets_of({}, [account] if account else ())):
        if (namespace, name) not in world.secrets:
            text = f"the Secret {name!r} of ServiceAccount {asked or DEFAULT_ACCOUNT!r} is missing"
            fix = f"create it in namespace {namespace!r}, or take it off the ServiceAccount"
            found.append(_finding("warning", "UMB-K703", text, fix))
    key = _storage_key(spec)
    secret = world.secrets.get((namespace, STORAGE_SECRET))
    if key and secret is None:
        text = f"there is no Secret {STORAGE_SECRET!r} in namespace {namespace!r}"
        fix = f"create it with the key {key!r}, or use a storageUri"
        found.append(_finding("error", "UMB-K703", text, fix))
    elif key and secret is not None and key not in values_of(secret):
        text = f"the Secret {STORAGE_SECRET!r} has no key {key!r}"
        found.append(_finding("error", "UMB-K703", text, f"add the key {key!r} to it"))
    return found


def _finding(severity: Severity, code: str, text: str, fix: str) -> Finding:
    return Finding(severity, code, text, Place(), fix)


def values_of(secret: Raw) -> dict[str, str]:
    """A Secret's entries as text; what is not text is left out."""
    plain: dict[str, str] = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            plain[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, TypeError):
            continue
    return {**plain, **(secret.get("stringData") or {})}


def _variables(secret: Raw) -> dict[str, str]:
    values = values_of(secret)
    found = {_PLAIN[key]: value for key, value in values.items() if key in _PLAIN}
    found |= {key: value for key, value in values.items() if key.endswith("-headers")}
    notes = secret["metadata"].get("annotations") or {}
    found |= {_ANNOTATIONS[key]: str(value) for key, value in notes.items() if key in _ANNOTATIONS}
    endpoint = notes.get("serving.kserve.io/s3-endpoint")
    if endpoint:
        secure = str(notes.get("serving.kserve.io/s3-usehttps", "1")).lower() in ("1", "true")
        found["AWS_ENDPOINT_URL"] = f"{'https' if secure else 'http'}://{endpoint}"
    return found


def _storage_key(spec: Mapping[str, Any]) -> str:
    predictor = spec.get("predictor")
    if not _is_map(predictor):
        return ""
    for block in predictor.values():
        storage = block.get("storage") if _is_map(block) else None
        if _is_map(storage):
            return str(storage.get("key") or _default_key(storage))
    return ""


def _default_key(storage: Mapping[str, Any]) -> str:
    parameters = storage.get("parameters")
    kind = parameters.get("type") if _is_map(parameters) else None
    return f"default_{kind}" if kind else "default"


def _is_map(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)
