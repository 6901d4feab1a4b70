"""How to sign in to Azure's blob storage, as KServe's Secrets and Azure's own tools say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage.locations import Location

ENDPOINT = "AZURE_STORAGE_BLOB_ENDPOINT"
"""Another address for the account's blobs: a private endpoint, or the emulator's."""

HOST = ".blob.core.windows.net"
CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"


def azure_options(location: Location, environ: Mapping[str, str]) -> dict[str, Any]:
    """What adlfs is made with. In this order: the signature in the address, a service principal,
    a workload's identity, the account's key, a signature, a connection string; without any of
    them the container has to be public. ``AZURE_STORAGE_ANON=false`` asks the machine's identity.

    Raises DeclarationError if the account is not known."""
    told = _parts(environ.get(CONNECTION, ""))
    account = location.account or environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")
    account = account or told.get("accountname", "")
    if not account and not told:
        raise DeclarationError(
            f"{location.shown} does not say which account: write "
            "https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH, or set "
            f"AZURE_STORAGE_ACCOUNT_NAME or {CONNECTION}"
        )
    endpoint = environ.get(ENDPOINT) or f"https://{location.host or account + HOST}"
    found: dict[str, Any] = {"account_name": account, "connection_timeout": 10, "read_timeout": 60}
    if endpoint.startswith("https://"):
        found["account_host"] = endpoint.partition("://")[2].rstrip("/")
    return {**found, **_sign_in(location, environ, account, endpoint)}


def _sign_in(
    location: Location, environ: Mapping[str, str], account: str, endpoint: str
) -> dict[str, Any]:
    principal = {
        name: environ.get(f"AZURE_{name.upper()}") or environ.get(f"AZ_{name.upper()}") or ""
        for name in ("tenant_id", "client_id", "client_secret")
    }
    key = environ.get("AZURE_STORAGE_ACCESS_KEY") or environ.get("AZURE_STORAGE_ACCOUNT_KEY") or ""
    signature = environ.get("AZURE_STORAGE_SAS_TOKEN", "").lstrip("?")
    connection = environ.get(CONNECTION, "")
    if location.token:
        return _connected(account, endpoint, signature=location.token)
    if all(principal.values()):
        return dict(principal)
    if principal["client_id"]:
        return {"anon": False}
    if key or signature:
        return _connected(account, endpoint, key=key, signature="" if key else signature)
    if connection:
        named = _parts(connection).get("accountname", account)
        if named != account:
            raise DeclarationError(
                f"{location.shown} lies in the account {account!r}, and {CONNECTION} is for "
                f"{named!r}: set AZURE_STORAGE_ACCESS_KEY for {account!r}"
            )
        return {"connection_string": connection}
    if environ.get("AZURE_STORAGE_ANON", "").lower() in ("false", "0"):
        return {"anon": False}
    return _connected(account, endpoint)


def _connected(account: str, endpoint: str, key: str = "", signature: str = "") -> dict[str, Any]:
    """As a connection string: adlfs takes one out of the environment before anything else."""
    parts = {
        "AccountName": account,
        "BlobEndpoint": endpoint.rstrip("/"),
        "AccountKey": key,
        "SharedAccessSignature": signature,
    }
    return {"connection_string": ";".join(f"{k}={v}" for k, v in parts.items() if v)}


def _parts(connection: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in connection.split(";") if "=" in part)
    return {name.strip().lower(): value for name, _, value in pairs}
