"""The field lists as data: which fields a type has, and of which type each of them is."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from umbel.k8s.resources import pod_fields, serving_fields


@dataclass(frozen=True)
class FieldType:
    """What one field holds.

    ``base`` is a scalar (``string``, ``boolean``, ``int32``, ``int64``, ``integer``,
    ``quantity``, ``intstr``, ``any``) or the name of a type; ``form`` says whether the field
    holds one of it, a list or a mapping of names to it. ``choices`` are the values of an enum.
    """

    base: str
    form: str = "one"
    choices: tuple[str, ...] = ()
    required: bool = False


Fields = Mapping[str, FieldType]


@functools.cache
def fields_of(type_name: str) -> Fields:
    """The fields of a type; empty where ``type_name`` is a scalar."""
    declared = _declarations().get(type_name)
    if declared is None:
        return {}
    found: dict[str, FieldType] = {}
    for part in map(str.strip, declared.split(";")):
        if part.startswith("&"):
            found.update(fields_of(part[1:]))
            continue
        kind, _, names = part.partition(":")
        for name in names.split():
            found[name.rstrip("!")] = _field_type(kind.strip(), name.endswith("!"))
    return found


def _field_type(kind: str, required: bool) -> FieldType:
    form = "one"
    for prefix in ("list", "map"):
        if kind.startswith(prefix + " "):
            form, kind = prefix, kind[len(prefix) + 1 :]
    if kind.startswith("enum("):
        return FieldType("enum", form, tuple(kind[5:-1].split("|")), required)
    return FieldType(kind, form, (), required)


@functools.cache
def _declarations() -> dict[str, str]:
    text = pod_fields.POD_FIELDS + pod_fields.VOLUME_FIELDS + serving_fields.SERVING_FIELDS
    declared: dict[str, str] = {}
    for line in text.replace("\n  ", " ").splitlines():
        name, _, body = line.partition(" = ")
        if body:
            declared[name] = body
    return declared
