"""The field lists against KServe's CRDs, where a copy of them is at hand.

Set ``UMBEL_KSERVE_CRDS`` to a folder with KServe's CRD files to run these.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from umbel.k8s.resources.field_types import FieldType, fields_of

FOLDER = Path(os.environ.get("UMBEL_KSERVE_CRDS", "nowhere"))
KINDS = {
    "InferenceService": "inferenceservices",
    "InferenceGraph": "inferencegraphs",
    "ServingRuntime": "servingruntimes",
    "ClusterServingRuntime": "clusterservingruntimes",
    "TrainedModel": "trainedmodels",
}
EXTENSIONS = {"spec.explainer.alibi", "spec.explainer.aix"}


def test_types_refer_to_types_that_exist() -> None:
    pending, seen = list(KINDS), set()
    scalars = {
        "string",
        "boolean",
        "int32",
        "int64",
        "integer",
        "quantity",
        "intstr",
        "any",
        "enum",
    }
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        assert fields_of(name), name
        pending += [one.base for one in fields_of(name).values() if one.base not in scalars]
    assert len(seen) > 100


@pytest.mark.skipif(not FOLDER.is_dir(), reason="UMBEL_KSERVE_CRDS names no folder")
@pytest.mark.parametrize("kind", KINDS)
def test_the_lists_are_those_of_the_crd(kind: str) -> None:
    text = (FOLDER / f"serving.kserve.io_{KINDS[kind]}.yaml").read_text()
    schema = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    spec = schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert list(differences(fields_of(kind)["spec"], spec, "spec")) == []


def differences(kind: FieldType, schema: dict[str, Any], path: str) -> Iterator[str]:
    if kind.form == "list":
        schema = schema["items"]
    elif kind.form == "map":
        schema = schema["additionalProperties"]
    fields, properties = fields_of(kind.base), schema.get("properties")
    if not fields or properties is None:
        expected = schema.get("type", "quantity")
        given = {
            "int32": "integer",
            "int64": "integer",
            "intstr": "quantity",
            "enum": "string",
        }.get(kind.base, kind.base)
        if fields or expected not in (given, "object"):
            yield f"{path}: {given} here, {expected} in the CRD"
        if kind.choices and list(kind.choices) != schema.get("enum"):
            yield f"{path}: {kind.choices} here, {schema.get('enum')} in the CRD"
        return
    ours = {name for name in fields if f"{path}.{name}" not in EXTENSIONS}
    lenient = {"ephemeralContainers"}
    for name in (ours ^ set(properties)) - lenient:
        yield f"{path}.{name}: only {'here' if name in ours else 'in the CRD'}"
    for name in ours & set(properties):
        yield from differences(fields[name], properties[name], f"{path}.{name}")
