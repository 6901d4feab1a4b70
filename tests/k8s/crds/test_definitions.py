"""The CRDs are what an API server takes, and take whatever KServe's own take."""

from __future__ import annotations

import copy
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umbel.k8s.crds import KINDS, ConversionWebhook, Kind, crds
from umbel.k8s.resources import load
from umbel.k8s.resources.field_check import check_fields

ROOT = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("UMBEL_KSERVE_CRDS", "nowhere"))
WEBHOOK = ConversionWebhook("umbel-webhooks", "umbel-system")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

ETCD_LIMIT = 1_500_000
"""Bytes of JSON that an object may have in a cluster with default settings."""


@functools.cache
def schemas() -> dict[str, dict[str, Any]]:
    found = {}
    for crd in crds():
        (version,) = crd["spec"]["versions"]
        found[crd["spec"]["names"]["kind"]] = version["schema"]["openAPIV3Schema"]
    return found


@functools.cache
def validator(kind: str) -> Any:
    """Of a kind's spec, without checking the schema itself each time."""
    return jsonschema.Draft202012Validator(schemas()[kind]["properties"]["spec"])


def load_structural() -> Any:
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        "structural", Path(__file__).with_name("structural.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


structural = load_structural()


@pytest.mark.parametrize("crd", crds(WEBHOOK), ids=lambda crd: crd["metadata"]["name"])
def test_an_api_server_takes_it(crd: dict[str, Any]) -> None:
    spec = crd["spec"]
    assert crd["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert sum(version["storage"] for version in spec["versions"]) == 1
    for version in spec["versions"]:
        assert list(structural.problems(version["schema"]["openAPIV3Schema"])) == []
        for column in version["additionalPrinterColumns"]:
            assert column["jsonPath"].startswith(".")
            assert column["type"] in ("string", "integer", "number", "boolean", "date")
    assert len(json.dumps(crd)) < ETCD_LIMIT


BROKEN = {
    "no type": {"properties": {"spec": {"type": ""}}},
    "$ref": {"properties": {"spec": {"type": "object", "$ref": "#/x"}}},
    "both": {
        "properties": {
            "spec": {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "additionalProperties": {"type": "string"},
            }
        }
    },
    "key": {
        "properties": {
            "spec": {
                "type": "array",
                "items": {"type": "object", "properties": {"a": {"type": "string"}}},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["a"],
            }
        }
    },
    "default": {"properties": {"spec": {"type": "integer", "default": "one"}}},
    "junctor": {"properties": {"spec": {"type": "object", "anyOf": [{"type": "object"}]}}},
    "int-or-string": {
        "properties": {"spec": {"type": "string", "x-kubernetes-int-or-string": True}}
    },
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_rules_notice_what_an_api_server_refuses(name: str) -> None:
    assert len(list(structural.problems({"type": "object", **BROKEN[name]}))) >= 1


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """The resources that stand in the repository's own files."""
    files = [*(ROOT / "examples").rglob("*.yaml"), *(ROOT / "tests").rglob("*.yaml")]
    for file in sorted(files):
        for number, document in enumerate(yaml.load_all(file.read_text(), LOADER)):
            if isinstance(document, dict) and document.get("kind") in schemas():
                yield f"{file.relative_to(ROOT)}#{number}", document


def test_the_resources_of_the_repository_are_valid() -> None:
    found = dict(documents())
    assert len(found) >= 3
    for name, document in found.items():
        if load([(name, json.dumps(document))]).findings:
            continue  # one that shows a mistake, or an old version
        validator(document["kind"]).validate(document["spec"])


def values_of(schema: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that a schema takes, rarely deep."""
    if schema.get("x-kubernetes-int-or-string"):
        return st.integers(0, 99) | st.sampled_from(["500m", "2Gi", "1"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "string":
        return st.just("name") if "pattern" in schema else st.text("abc-", max_size=3)
    if schema["type"] == "integer":
        return st.integers(schema.get("minimum", -3), schema.get("maximum", 1000))
    if schema["type"] == "boolean":
        return st.booleans()
    if schema["type"] == "array":
        keyed = "x-kubernetes-list-map-keys" in schema
        return st.lists(values_of(schema["items"], depth + 1), max_size=1 if keyed else 2)
    if "additionalProperties" in schema:
        inner = values_of(schema["additionalProperties"], depth + 1)
        return st.dictionaries(st.text("xyz", min_size=1, max_size=3), inner, max_size=2)
    return objects_of(schema, depth)


@st.composite
def objects_of(draw: st.DrawFn, schema: dict[str, Any], depth: int) -> dict[str, Any]:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    optional = sorted(properties.keys() - set(required))
    chosen = set(required)
    if optional and depth < 6:
        chosen |= set(draw(st.lists(st.sampled_from(optional), max_size=3, unique=True)))
    return {
        name: draw(values_of(properties[name], depth + 1))
        for name in sorted(chosen)
        if properties[name].get("x-kubernetes-preserve-unknown-fields") is None
    }


@pytest.mark.parametrize("kind", ["InferenceService", "InferenceGraph", "TrainedModel"])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_schema_takes_the_field_check_takes(kind: str, data: st.DataObject) -> None:
    schema = schemas()[kind]["properties"]["spec"]
    spec = data.draw(objects_of(schema, 0))
    validator(kind).validate(spec)
    whole = {"metadata": {"name": "a"}, "spec": spec}
    assert check_fields(whole, kind).problems == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("InferenceService", "predictor.minReplicas", "three"),
        ("InferenceService", "predictor.scaleMetric", "love"),
        ("InferenceService", "canary", [{"predictor": {}, "trafficPercent": 101}]),
        ("InferenceService", "predictor.containers", [{"env": [{"value": "no name"}]}]),
        ("InferenceGraph", "nodes", {"root": {"steps": []}}),
        ("InferenceGraph", "nodes.root.routerType", "Loop"),
        ("TrainedModel", "model", {"framework": "sklearn"}),
    ],
)
def test_what_kserves_crd_refuses_is_refused(kind: str, path: str, value: Any) -> None:
    good = {
        "InferenceService": {"predictor": {}},
        "InferenceGraph": {"nodes": {"root": {"routerType": "Sequence"}}},
        "TrainedModel": {
            "inferenceService": "a",
            "model": {"framework": "sklearn", "storageUri": "s3://a", "memory": "1Gi"},
        },
    }[kind]
    assert validator(kind).is_valid(good)
    bad: Any = copy.deepcopy(good)
    *above, last = path.split(".")
    functools.reduce(lambda at, key: at[key], above, bad)[last] = value
    assert not validator(kind).is_valid(bad)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="UMBEL_KSERVE_CRDS names no folder")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_whatever_kserves_crd_takes_is_taken(kind: Kind) -> None:
    text = (FOLDER / f"serving.kserve.io_{kind.plural}.yaml").read_text()
    theirs = yaml.load(text, LOADER)["spec"]
    (ours,) = (c["spec"] for c in crds() if c["spec"]["names"]["kind"] == kind.kind)
    assert ours["names"] == theirs["names"]
    assert ours["scope"] == theirs["scope"]
    (version,), (own,) = theirs["versions"], ours["versions"]
    for key in ("name", "served", "storage", "subresources"):
        assert own[key] == version[key]
    assert list(map(plain, own["additionalPrinterColumns"])) == list(
        map(plain, version["additionalPrinterColumns"])
    )
    schema = version["schema"]["openAPIV3Schema"]
    assert list(stricter(own["schema"]["openAPIV3Schema"], schema, "")) == []


def plain(column: dict[str, Any]) -> tuple[str, str, str]:
    return column["name"], column["type"], column["jsonPath"]


def stricter(ours: dict[str, Any], theirs: dict[str, Any], path: str) -> Iterator[str]:
    """Where ours refuses, or prunes, what theirs takes."""
    if ours.get("x-kubernetes-preserve-unknown-fields") and "properties" not in ours:
        return
    for word in ("type", "x-kubernetes-int-or-string"):
        if ours.get(word) != theirs.get(word):
            yield f"{path}: {word} is {ours.get(word)}, KServe's {theirs.get(word)}"
    yield from narrower(ours, theirs, path)
    for name, one in theirs.get("properties", {}).items():
        if name in ours.get("properties", {}):
            yield from stricter(ours["properties"][name], one, f"{path}.{name}")
        elif not ours.get("x-kubernetes-preserve-unknown-fields") and ours != {"type": "object"}:
            yield f"{path}.{name} is not known"
    for word in ("items", "additionalProperties"):
        if word in theirs:
            yield from stricter(ours.get(word, {}), theirs[word], f"{path}[]")


def narrower(ours: dict[str, Any], theirs: dict[str, Any], path: str) -> Iterator[str]:
    """What ours demands of a value itself, and theirs does not."""
    for word in ("pattern", "minimum", "maximum", "minItems", "minLength", "maxLength", "format"):
        if word in ours and ours[word] != theirs.get(word):
            yield f"{path}: {word} {ours[word]}, KServe's {theirs.get(word)}"
    yield from (
        f"{path}.{name} is required" for name in set(ours.get("required", [])) - needed(theirs)
    )
    if "enum" in ours and not set(ours["enum"]) >= set(theirs.get("enum", ["any"])):
        yield f"{path}: fewer choices"
    keys = ours.get("x-kubernetes-list-map-keys")
    if keys and keys != theirs.get("x-kubernetes-list-map-keys"):
        yield f"{path}: a map of {keys}, KServe's {theirs.get('x-kubernetes-list-type')}"


def needed(schema: dict[str, Any]) -> set[str]:
    return set(schema.get("required", []))
