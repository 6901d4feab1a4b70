"""Credentials of S3, GCS and Azure as KServe keeps them: a Secret, and a ServiceAccount for it."""

from __future__ import annotations

import configparser
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from umbel.graph.errors import DeclarationError
from umbel.k8s.client.api_server import GROUP, ApiServer, Raw, Served
from umbel.k8s.client.failures import ApiFailure, Conflict, ResourceNotFound

SECRET = Served("Secret", "secrets")
ACCOUNT = Served("ServiceAccount", "serviceaccounts")

DEFAULT_ACCOUNT = "kserve-service-credentials"

_FILES = {
    "s3": "~/.aws/credentials",
    "gcs": "~/.config/gcloud/application_default_credentials.json",
    "azure": "~/.azure/azure_credentials.json",
}
"""Where each storage's credentials lie by default, as for KServe's client."""

_S3_OPTIONS = {
    "s3_endpoint": "s3-endpoint",
    "s3_region": "s3-region",
    "s3_use_https": "s3-usehttps",
    "s3_verify_ssl": "s3-verifyssl",
    "s3_cabundle": "s3-cabundle",
}
"""Option → annotation, without its group."""

_AZURE = {
    "AZURE_CLIENT_ID": "clientId",
    "AZURE_CLIENT_SECRET": "clientSecret",
    "AZURE_SUBSCRIPTION_ID": "subscriptionId",
    "AZURE_TENANT_ID": "tenantId",
}
"""The Secret's key → the file's."""

_CONFLICTS = 5


@dataclass(frozen=True)
class SecretContent:
    """What the Secret holds, and its annotations."""

    values: Mapping[str, str] = field(repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict)


def secret_content(
    storage_type: str, file: str | Path | None, options: Mapping[str, str | bool | None]
) -> SecretContent:
    """Read the credentials. Raises ``DeclarationError`` for a storage or an option that is not
    known, and for a file that does not have them."""
    storage = storage_type.lower()
    if storage not in _FILES:
        raise DeclarationError(f"expected storage_type S3, GCS or Azure, got {storage_type!r}")
    allowed = ("s3_profile", *_S3_OPTIONS) if storage == "s3" else ()
    unknown = [name for name in options if name not in allowed]
    if unknown:
        told = ", ".join(allowed) or "none"
        raise DeclarationError(f"{storage_type} has no option {unknown[0]!r}; there are: {told}")
    path = Path(file or _FILES[storage]).expanduser()
    try:
        text = path.read_text()
    except OSError as error:
        raise DeclarationError(
            f"{path}: {error.strerror}; give credentials_file=... for {storage_type}"
        ) from error
    if storage == "s3":
        return _s3(text, path, options)
    loaded = _json_object(text, path)
    if storage == "gcs":
        return SecretContent({"gcloud-application-credentials.json": text})
    return SecretContent({key: _member(loaded, one, path) for key, one in _AZURE.items()})


def _s3(text: str, path: Path, options: Mapping[str, str | bool | None]) -> SecretContent:
    profile, config = str(options.get("s3_profile") or "default"), configparser.RawConfigParser()
    try:
        config.read_string(text)
        section = config[profile]
        key, secret = section["aws_access_key_id"], section["aws_secret_access_key"]
    except KeyError as error:
        raise DeclarationError(
            f"{path}: expected aws_access_key_id and aws_secret_access_key in [{profile}], "
            f"{error} is missing"
        ) from error
    except configparser.Error:
        # Without the cause: its text has lines of the file.
        raise DeclarationError(f"{path}: not an AWS credentials file") from None
    values = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    if section.get("aws_session_token"):
        values["AWS_SESSION_TOKEN"] = section["aws_session_token"]
    notes = {
        f"{GROUP}/{annotation}": _flag(value)
        for option, annotation in _S3_OPTIONS.items()
        if (value := options.get(option)) is not None
    }
    return SecretContent(values, notes)


def _flag(value: str | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _json_object(text: str, path: Path) -> Mapping[str, object]:
    try:
        loaded = json.loads(text)
    except ValueError:
        loaded = None
    if not isinstance(loaded, dict):
        raise DeclarationError(f"{path}: expected a JSON object")
    return loaded


def _member(loaded: Mapping[str, object], key: str, path: Path) -> str:
    value = loaded.get(key)
    if not isinstance(value, str):
        raise DeclarationError(f"{path}: expected {key!r} to be a text")
    return value


def keep(server: ApiServer, namespace: str, content: SecretContent, account: str) -> str:
    """Make the Secret and have the ServiceAccount list it; the account is made if there is
    none. Returns the Secret's name. Leaves no Secret behind where the account cannot be had."""
    name = f"kserve-secret-{secrets.token_hex(4)}"
    metadata = {"name": name, "namespace": namespace, "annotations": dict(content.annotations)}
    secret: Raw = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    server.create(SECRET, namespace, {**secret, "stringData": dict(content.values)})
    try:
        _list_in_account(server, namespace, name, account)
    except ApiFailure:
        server.delete(SECRET, namespace, name)
        raise
    return name


def _list_in_account(server: ApiServer, namespace: str, secret: str, account: str) -> None:
    for attempt in range(_CONFLICTS):
        try:
            found = server.get(ACCOUNT, namespace, account)
        except ResourceNotFound:
            raw: Raw = {"apiVersion": "v1", "kind": "ServiceAccount", "secrets": [{"name": secret}]}
            raw["metadata"] = {"name": account, "namespace": namespace}
            server.create(ACCOUNT, namespace, raw)
            return
        listed = [*(found.get("secrets") or ()), {"name": secret}]
        version = found["metadata"].get("resourceVersion")
        try:
            change = {"metadata": {"resourceVersion": version}, "secrets": listed}
            server.patch(ACCOUNT, namespace, account, change)
            return
        except Conflict:
            if attempt == _CONFLICTS - 1:
                raise
