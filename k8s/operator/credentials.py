"""Storage credentials: which Secrets a resource may use, and what they become.

As in KServe, a component's ServiceAccount lists the Secrets, and a storage block names a key of
the Secret ``storage-config``. Both are looked up in the resource's own namespace only; a name
with a namespace in it finds nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from umbel.graph.findings import Finding, Place, Severity
from umbel.k8s.operator.world import Raw, World
from umbel.k8s.resources.storage_secrets import (
    DEFAULT_ACCOUNT,
    GCS_KEY,
    HDFS_KEY,
    HDFS_KEYS,
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


def accounts_of(spec: Mapping[str, Any]) -> set[str]:
    """The ServiceAccounts a service's components run as."""
    components = [spec.get(name) for name in ("predictor", "transformer", "explainer")]
    components += [one.get("predictor") for one in spec.get("canary") or () if _is_map(one)]
    return {account_of(one) or DEFAULT_ACCOUNT for one in components if _is_map(one)}


def secrets_of(spec: Mapping[str, Any], accounts: Iterable[Raw]) -> set[str]:
    """The Secrets a service may use: those its accounts list, the storage Secret if a storage
    block names a key, and pull secrets if a model lies in a registry."""
    names = {
        str(entry.get("name"))
        for account in accounts
        for entry in account.get("secrets") or ()
        if _is_map(entry) and entry.get("name")
    }
    if storage_key(spec.get("predictor")):
        names.add(STORAGE_SECRET)
    if reads_images(spec):
        owners = (spec.get("predictor"), *accounts)
        names |= {name for owner in owners for name in pull_secrets(owner)}
    return names


def environment(world: World, namespace: str, spec: Mapping[str, Any]) -> dict[str, str]:
    """The variables that sign a service's predictor in to its storage; empty if none is asked
    for. Nothing of another namespace is looked at."""
    predictor = spec.get("predictor")
    account = world.accounts.get((namespace, account_of(predictor) or DEFAULT_ACCOUNT))
    found: dict[str, str] = {}
    for name in sorted(secrets_of({}, [account] if account else ())):
        secret = world.secrets.get((namespace, name))
        if secret is not None:
            found.update(_variables(secret))
    key = storage_key(predictor)
    secret = world.secrets.get((namespace, STORAGE_SECRET)) if key else None
    if key is not None and secret is not None and key.name in (values := values_of(secret)):
        found["STORAGE_CONFIG"] = values[key.name]
    if override := storage_override(predictor):
        found["STORAGE_OVERRIDE_CONFIG"] = override
    if reads_images(predictor) and (logins := _logins(world, namespace, predictor, account)):
        found["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": logins})
    return found


def _logins(world: World, namespace: str, predictor: Any, account: Any) -> dict[str, Any]:
    """What the pull secrets know of registries; the predictor's own come first."""
    found: dict[str, Any] = {}
    for name in (*pull_secrets(predictor), *pull_secrets(account)):
        secret = world.secrets.get((namespace, name))
        try:
            told = json.loads(values_of(secret)[LOGINS_KEY]) if secret else {}
        except (KeyError, ValueError):
            continue
        auths = told.get("auths") if _is_map(told) else None
        found = {**(auths if _is_map(auths) else {}), **found}
    return found


def missing(world: World, namespace: str, spec: Mapping[str, Any]) -> list[Finding]:
    """What a service's predictor names that is not there, each with what to do."""
    predictor = spec.get("predictor")
    asked = account_of(predictor)
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
    return [*found, *_storage_findings(world, namespace, predictor)]


def _storage_findings(world: World, namespace: str, predictor: Any) -> list[Finding]:
    """A key that the storage block names must be there; KServe's default key need not."""
    key = storage_key(predictor)
    if key is None or not key.named:
        return []
    secret = world.secrets.get((namespace, STORAGE_SECRET))
    if secret is None:
        text = f"there is no Secret {STORAGE_SECRET!r} in namespace {namespace!r}"
        fix = f"create it with the key {key.name!r}, or use a storageUri"
        return [_finding("error", "UMB-K703", text, fix)]
    if key.name not in (values := values_of(secret)):
        text = f"the Secret {STORAGE_SECRET!r} has no key {key.name!r}"
        fix = f"add the key {key.name!r} to it" + (
            f", or name one of: {', '.join(sorted(values))}" if values else ""
        )
        return [_finding("error", "UMB-K703", text, fix)]
    return []


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
    found = {VARIABLES[key]: value for key, value in values.items() if key in VARIABLES}
    if GCS_KEY in values:
        found["UMBEL_GOOGLE_KEY"] = values[GCS_KEY]
    if values.get(HOST_KEY) and HEADERS_KEY in values:
        found[headers_variable(values[HOST_KEY])] = values[HEADERS_KEY]
    found |= {key: value for key, value in values.items() if key.endswith("-headers")}
    if HDFS_KEY in values:
        found |= {key: values[key] for key in HDFS_KEYS if key in values}
    return found | annotation_variables(secret["metadata"].get("annotations") or {})


def _is_map(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)
