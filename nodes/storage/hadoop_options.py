"""Hadoop's file system: who to be there, and KServe's Secret, which says where its name node is.

With such a Secret KServe reads ``hdfs://PATH`` and ``webhdfs://PATH`` alike, over WebHDFS: the
address has no host. Without one, ``webhdfs://HOST:PORT/PATH`` names it, and ``hdfs://HOST/PATH``
is Hadoop's own protocol, which takes its native library and a JVM.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage.locations import Location, storage_config
from umbel.nodes.storage.model_cache import ModelCache

SECRET_FOLDER = "/var/secrets/kserve-hdfscreds"  # noqa: S105 - where KServe mounts it
FOLDER_VARIABLE = "HDFS_SECRET_DIR"
NAMENODE = "HDFS_NAMENODE"
FILES = ("KERBEROS_KEYTAB", "TLS_CERT", "TLS_KEY", "TLS_CA")
KEYS = (NAMENODE, "USER_PROXY", "HDFS_ROOTPATH", "TLS_SKIP_VERIFY", "HEADERS",
        "KERBEROS_PRINCIPAL", *FILES)  # fmt: skip
"""Keys of KServe's Secret that mean something here."""

NATIVE = (
    "hdfs:// takes Hadoop's native library (libhdfs) and a JVM on this machine. The same files "
    "come without them over WebHDFS: write webhdfs://HOST:9870/PATH, or give the Secret of "
    f"KServe's ({NAMENODE}, USER_PROXY, HDFS_ROOTPATH, HEADERS, TLS_CERT, TLS_KEY, TLS_CA, "
    "TLS_SKIP_VERIFY, KERBEROS_PRINCIPAL, KERBEROS_KEYTAB) in STORAGE_CONFIG or in the folder "
    f"that {FOLDER_VARIABLE} names"
)
"""What to do where ``hdfs://`` cannot be read."""

_PORTS = {"http": 9870, "https": 9871}


def with_name_node(location: Location, environ: Mapping[str, str]) -> Location:
    """The location at the Secret's name node, if there is one and the address names none."""
    if location.protocol not in ("hdfs", "webhdfs"):
        return location
    rest = location.address.partition("://")[2]
    named = _settings(environ).get(NAMENODE, "")
    if not named or re.match(r"[^/]+:\d+(/|$)", rest):
        return location
    first = urlsplit(named.split(";")[0].strip())
    if first.scheme not in _PORTS or not first.hostname:
        raise DeclarationError(f"{NAMENODE} is {named!r}: expected http://HOST:PORT")
    root = _settings(environ).get("HDFS_ROOTPATH", "").strip("/")
    path = "/".join(part for part in (root, rest.lstrip("/")) if part)
    address = f"webhdfs://{first.hostname}:{first.port or _PORTS[first.scheme]}/{path}"
    return replace(location, protocol="webhdfs", address=address)


def hadoop_options(location: Location, environ: Mapping[str, str]) -> dict[str, Any]:
    """What fsspec's file system is made with. Raises DeclarationError for a setting that cannot
    be meant."""
    parts = urlsplit(location.address)
    found: dict[str, Any] = {"host": parts.hostname or "default"}
    if parts.port:
        found["port"] = parts.port
    settings = _settings(environ)
    config = storage_config(environ)
    if config.get("user_name"):
        found["user"] = str(config["user_name"])
    proxy = settings.get("USER_PROXY") or str(config.get("user_proxy") or "")
    principal = settings.get("KERBEROS_PRINCIPAL") or str(config.get("kerberos_principal") or "")
    if location.protocol == "hdfs":
        return found
    if proxy:
        found["proxy_to"] = proxy
    if principal:
        found |= {"kerberos": True, "kerb_kwargs": {"principal": principal}}
    return found | _tls(settings)


def extra_headers(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Headers that the Secret wants sent to the name node. Raises DeclarationError."""
    try:
        told = json.loads(_settings(environ).get("HEADERS") or "{}")
        return {str(name): str(value) for name, value in told.items()}
    except (ValueError, AttributeError):
        raise DeclarationError("HEADERS of the HDFS Secret is no JSON object") from None


def keytab(environ: Mapping[str, str]) -> str:
    """Kerberos finds a client's keytab through its own variable, KRB5_CLIENT_KTNAME."""
    return _settings(environ).get("KERBEROS_KEYTAB", "")


def _tls(settings: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if settings.get(NAMENODE, "").startswith("https:"):
        found["use_https"] = True
    if settings.get("TLS_CERT"):
        found["session_cert"] = (settings["TLS_CERT"], settings.get("TLS_KEY", ""))
    if settings.get("TLS_SKIP_VERIFY", "").lower() == "true":
        found["session_verify"] = False
    elif settings.get("TLS_CA"):
        found["session_verify"] = settings["TLS_CA"]
    return found


def _settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The Secret's keys; those that are files as paths. From its mounted folder, from variables
    of the same names, and from the storage spec, which has files in base64."""
    found: dict[str, str] = {}
    folder = Path(environ.get(FOLDER_VARIABLE) or SECRET_FOLDER)
    for key in KEYS:
        file = folder / key
        if file.is_file():
            found[key] = str(file) if key in FILES else file.read_text().strip()
        elif environ.get(key):
            found[key] = environ[key]
    for key, value in storage_config(environ).items():
        if key in FILES:
            found[key] = _as_file(key, str(value))
        elif key in KEYS and value:
            found[key] = str(value)
    return found


def _as_file(key: str, content: str) -> str:
    try:
        plain = base64.b64decode(content, validate=True)
    except ValueError:
        raise DeclarationError(f"STORAGE_CONFIG: {key} is no base64") from None
    place = ModelCache().root / "secrets"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = place / key
    if not file.is_file() or file.read_bytes() != plain:
        fresh = file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(plain)
        fresh.replace(file)
    return str(file)
