"""Kubernetes' rules for the schema of a CRD, as its documentation states them: what an API
server refuses, by place. See "Specifying a structural schema" in the Kubernetes documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema

FORBIDDEN = {
    "$ref",
    "definitions",
    "dependencies",
    "deprecated",
    "discriminator",
    "id",
    "patternProperties",
    "readOnly",
    "writeOnly",
    "xml",
    "$schema",
}
JUNCTORS = ("allOf", "anyOf", "oneOf")
NOT_IN_JUNCTORS = ("description", "type", "default", "additionalProperties", "nullable")
INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
SCALARS = {"string", "integer", "number", "boolean"}
KNOWN = {
    "additionalProperties", "anyOf", "allOf", "oneOf", "not", "default", "description", "enum",
    "example", "exclusiveMaximum", "exclusiveMinimum", "externalDocs", "format", "items",
    "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength",
    "minProperties", "minimum", "multipleOf", "nullable", "pattern", "properties", "required",
    "title", "type", "uniqueItems", "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-list-type",
    "x-kubernetes-map-type", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
}  # fmt: skip


def problems(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Every reason for which an API server would refuse the schema."""
    yield from (f"{path}: {word} is forbidden" for word in FORBIDDEN & schema.keys())
    yield from (f"{path}: {word} is unknown" for word in schema.keys() - KNOWN - FORBIDDEN)
    yield from _type(schema, path)
    yield from _junctors(schema, path)
    yield from _mapping(schema, path)
    yield from _array(schema, path)
    yield from _default(schema, path)
    if not path:
        yield from _root(schema)


def _type(schema: dict[str, Any], path: str) -> Iterator[str]:
    either = schema.get("x-kubernetes-int-or-string") is True
    free = schema.get("x-kubernetes-preserve-unknown-fields")
    if free not in (None, True):
        yield f"{path}: x-kubernetes-preserve-unknown-fields may only be true"
    if either and "type" in schema:
        yield f"{path}: int-or-string has no type"
    if not either and free is None and not schema.get("type"):
        yield f"{path}: no type"
    if schema.get("nullable") and "enum" in schema and None not in schema["enum"]:
        yield f"{path}: nullable, but null is not among the enum"


def _junctors(schema: dict[str, Any], path: str) -> Iterator[str]:
    if schema.get("x-kubernetes-int-or-string") and schema.get("anyOf") == INT_OR_STRING:
        return
    for junctor in JUNCTORS:
        for one in schema.get(junctor, []):
            yield from (f"{path}: {w} inside {junctor}" for w in NOT_IN_JUNCTORS if w in one)
            missing = set(one.get("properties", {})) - set(schema.get("properties", {}))
            yield from (f"{path}: {name} only inside {junctor}" for name in missing)


def _mapping(schema: dict[str, Any], path: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    additional = schema.get("additionalProperties")
    if additional is False:
        yield f"{path}: additionalProperties may not be false"
    if additional is not None and properties:
        yield f"{path}: properties and additionalProperties"
    if (properties or additional is not None) and schema.get("type") != "object":
        yield f"{path}: properties of what is no object"
    # Kubernetes takes an unknown name here, and then refuses every object.
    yield from (
        f"{path}: {name} is required and unknown"
        for name in schema.get("required", [])
        if name not in properties
    )
    for name, one in properties.items():
        yield from problems(one, f"{path}.{name}")
    if isinstance(additional, dict):
        yield from problems(additional, f"{path}.*")


def _array(schema: dict[str, Any], path: str) -> Iterator[str]:
    items, kind = schema.get("items"), schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys", [])
    if schema.get("uniqueItems"):
        yield f"{path}: uniqueItems may not be true"
    if schema.get("type") != "array":
        if items is not None or kind is not None:
            yield f"{path}: items or a list type of what is no array"
        return
    if not isinstance(items, dict):
        yield f"{path}: an array needs one schema of items"
        return
    yield from problems(items, f"{path}[]")
    if kind not in (None, "atomic", "set", "map"):
        yield f"{path}: unknown list type {kind}"
    if kind == "set" and items.get("type") not in SCALARS:
        yield f"{path}: a set of what is no scalar"
    if bool(keys) != (kind == "map"):
        yield f"{path}: list-map-keys belong to a map, and a map needs them"
    for key in keys:
        found = items.get("properties", {}).get(key, {})
        if found.get("type") not in SCALARS:
            yield f"{path}: the key {key} is no scalar"
        if key not in items.get("required", []) and "default" not in found:
            yield f"{path}: the key {key} is neither required nor has a default"


def _default(schema: dict[str, Any], path: str) -> Iterator[str]:
    if "default" in schema:
        try:
            jsonschema.validate(schema["default"], schema)
        except jsonschema.ValidationError as error:
            yield f"{path}: the default is not valid: {error.message}"


def _root(schema: dict[str, Any]) -> Iterator[str]:
    if schema.get("type") != "object":
        yield "the root is no object"
    metadata = schema.get("properties", {}).get("metadata", {})
    if set(metadata.get("properties", {})) - {"name", "generateName"}:
        yield "metadata: only name and generateName may be restricted"
    if "default" in str(metadata):
        yield "metadata: no defaults"
