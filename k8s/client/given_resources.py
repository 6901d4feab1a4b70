"""What a user gives as a resource → the plain object that the API server takes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from umbel.graph.errors import DeclarationError
from umbel.k8s.client.api_server import Raw, Served
from umbel.k8s.resources.declared import Declared
from umbel.k8s.resources.resource import Resource

Given = Mapping[str, Any] | str | Path | Declared | Resource[Any] | object
"""A mapping; YAML text; a file's path; a typed spec (`InferenceServiceSpec` and so on); a
`Resource` that `load` read; or an object of KServe's own Python SDK."""


def whole(given: Given, kind: Served, name: str, namespace: str) -> Raw:
    """The resource, complete with apiVersion, kind, name and namespace.

    Raises ``DeclarationError`` if it is another kind, or says another name or namespace.
    """
    raw = plain(given)
    for key, right in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        if raw.get(key) not in (None, right):
            raise DeclarationError(f"expected {key}: {right}, got {raw[key]!r}")
    metadata = raw.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise DeclarationError(f"expected metadata to be a mapping, got {metadata!r}")
    for key, asked in (("name", name), ("namespace", namespace)):
        if asked and metadata.get(key) not in (None, "", asked):
            raise DeclarationError(
                f"{kind.kind}: metadata.{key} is {metadata[key]!r}, the call says {asked!r}: "
                "leave one of them out"
            )
    named = {key: one for key, one in (("name", name), ("namespace", namespace)) if one}
    rest = {key: value for key, value in raw.items() if key != "status"}
    return {
        **rest,
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {**metadata, **named},
    }


def plain(given: Given) -> Raw:
    """The resource, or the part of one, as plain data. Raises ``DeclarationError``."""
    if isinstance(given, Resource):
        return dict(copy.deepcopy(given.document.data))
    if isinstance(given, Declared):
        spec = given.model_dump(by_alias=True, exclude_unset=True, mode="json")
        return {"spec": spec}
    if isinstance(given, (str, Path)):
        return _from_yaml(*_text(given))
    if hasattr(given, "attribute_map") and hasattr(given, "openapi_types"):
        given = _of_sdk(given)
    if not isinstance(given, Mapping):
        raise DeclarationError(
            "expected a resource as a mapping, YAML text, a file's path or a typed spec, got "
            f"{type(given).__name__}"
        )
    return copy.deepcopy(dict(given))


def _text(given: str | Path) -> tuple[str, str]:
    """The YAML and what to call it: one line without a colon and a space is a file's name."""
    if isinstance(given, str) and ("\n" in given or ": " in given or given.lstrip()[:1] == "{"):
        return given, "the resource"
    path = Path(given).expanduser()
    try:
        return path.read_text(), str(path)
    except OSError as error:
        raise DeclarationError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DeclarationError(f"{path}: not a text file") from error


def _from_yaml(text: str, where: str) -> Raw:
    try:
        documents = [one for one in yaml.safe_load_all(text) if one is not None]
    except yaml.YAMLError as error:
        raise DeclarationError(f"{where}: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise DeclarationError(f"{where}: expected one resource, got {len(documents)} documents")
    return dict(documents[0])


def _of_sdk(value: Any) -> Any:
    """An object of a generated Kubernetes client: its fields under the names they have in YAML,
    those that are not set left out."""
    if hasattr(value, "attribute_map"):
        fields = ((key, getattr(value, name)) for name, key in value.attribute_map.items())
        return {key: _of_sdk(one) for key, one in fields if one is not None}
    if isinstance(value, Mapping):
        return {key: _of_sdk(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_of_sdk(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
