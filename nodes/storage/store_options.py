"""How to sign in to an object store: from the environment, as the stores' own tools do.

The libraries read their usual variables (``AWS_…``, ``GOOGLE_APPLICATION_CREDENTIALS``,
``AZURE_STORAGE_…``, ``HF_TOKEN``). Here are those that only KServe's storage initializer
knows: its S3 switches, and ``STORAGE_CONFIG``, the JSON of a storage secret.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage.azure_options import azure_options
from umbel.nodes.storage.hadoop_options import hadoop_options
from umbel.nodes.storage.locations import Location, storage_config

_TRUE = ("1", "true", "yes")

GOOGLE_KEY = "UMBEL_GOOGLE_KEY"
"""The text of a Google account's key file, where there is no file to name."""


def store_options(location: Location, environ: Mapping[str, str]) -> dict[str, Any]:
    """What fsspec's file system for ``location`` is made with."""
    if location.protocol == "s3":
        return _s3({**_as_variables(storage_config(environ)), **environ})
    if location.protocol == "abfs":
        return azure_options(location, environ)
    if location.protocol == "gs":
        return _google(storage_config(environ), environ)
    if location.protocol == "hf":
        named = {"token": "HF_TOKEN", "endpoint": "HF_ENDPOINT"}
        return {key: environ[name] for key, name in named.items() if environ.get(name)}
    if location.protocol in ("hdfs", "webhdfs"):
        return hadoop_options(location, environ)
    return {}


def _as_variables(config: Mapping[str, Any]) -> dict[str, str]:
    names = {
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "endpoint_url": "AWS_ENDPOINT_URL",
        "region": "AWS_DEFAULT_REGION",
        "anonymous": "awsAnonymousCredential",
        "verify_ssl": "S3_VERIFY_SSL",
        "ca_bundle": "AWS_CA_BUNDLE",
    }
    return {names[key]: str(value) for key, value in config.items() if key in names}


def _s3(environ: Mapping[str, str]) -> dict[str, Any]:
    client: dict[str, Any] = {}
    config: dict[str, Any] = {"retries": {"max_attempts": int(environ.get("S3_MAX_ATTEMPTS", 3))}}
    options: dict[str, Any] = {"client_kwargs": client, "config_kwargs": config}
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    if not endpoint and environ.get("S3_ENDPOINT"):
        secure = environ.get("S3_USE_HTTPS", "1").lower() in _TRUE
        endpoint = f"{'https' if secure else 'http'}://{environ['S3_ENDPOINT']}"
    if endpoint:
        client["endpoint_url"] = endpoint
    if "AWS_DEFAULT_REGION" in environ:
        client["region_name"] = environ["AWS_DEFAULT_REGION"]
    if environ.get("S3_VERIFY_SSL", "1").lower() not in _TRUE:
        client["verify"] = False
    elif environ.get("AWS_CA_BUNDLE"):
        client["verify"] = environ["AWS_CA_BUNDLE"]
    if environ.get("awsAnonymousCredential", "").lower() in _TRUE:
        options["anon"] = True
    elif "AWS_ACCESS_KEY_ID" in environ:
        options["key"] = environ["AWS_ACCESS_KEY_ID"]
        options["secret"] = environ.get("AWS_SECRET_ACCESS_KEY", "")
        if environ.get("AWS_SESSION_TOKEN"):
            options["token"] = environ["AWS_SESSION_TOKEN"]
    if environ.get("S3_USER_VIRTUAL_BUCKET", "").lower() in _TRUE:
        config["s3"] = {"addressing_style": "virtual"}
    if environ.get("S3_USE_ACCELERATE", "").lower() in _TRUE:
        config["s3"] = {"use_accelerate_endpoint": True}
    return options


def _google_key(text: str) -> dict[str, Any]:
    try:
        return {"token": json.loads(text)} if text else {}
    except ValueError:
        raise DeclarationError(f"the variable {GOOGLE_KEY} is no JSON object") from None


def _google(config: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """A service account's key: the text of its file, or out of a storage secret; else Google's
    own ways are tried."""
    secret = config.get("base64_service_account")
    if not secret:
        return _google_key(environ.get(GOOGLE_KEY, ""))
    try:
        return {"token": json.loads(base64.b64decode(str(secret), validate=True))}
    except ValueError as error:
        raise DeclarationError(
            f"STORAGE_CONFIG: base64_service_account is no JSON in base64: {error}"
        ) from None
