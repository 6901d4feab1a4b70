"""Every field of KServe's resources, set alone: it changes what is rendered, or it is told."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from umbel.k8s.manifests import RenderOptions, render_texts
from umbel.k8s.manifests.field_support import BASES as BASE_TYPES
from umbel.k8s.manifests.field_support import support_of, types
from umbel.k8s.resources.field_types import FieldType, fields_of

Path = tuple[Any, ...]

MODEL = {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://bucket/model"}
CONTAINER = {"name": "kserve-container", "image": "x", "command": ["module:Class"]}
STEPS = [{"serviceName": "a", "name": "one"}, {"serviceName": "b", "name": "two"}]
BASES: dict[str, dict[str, Any]] = {
    "model": {"predictor": {"model": MODEL}},
    "storage": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}}}},
    "container": {"predictor": {"containers": [CONTAINER]}},
    "transformer": {"predictor": {"model": MODEL}, "transformer": {"containers": [CONTAINER]}},
    "art": {"predictor": {"model": MODEL}, "explainer": {"art": {"type": "SquareAttack"}}},
    "graph": {"nodes": {"root": {"routerType": "Sequence", "steps": STEPS}}},
}
STARTS: tuple[tuple[str, Path, str], ...] = (
    ("model", ("predictor",), "Predictor"),
    ("model", ("predictor", "model"), "Model"),
    ("storage", ("predictor", "model"), "Model"),
    ("container", ("predictor", "containers", 0), "Container"),
    ("transformer", ("transformer",), "Transformer"),
    ("art", ("explainer", "art"), "ArtExplainer"),
    ("graph", (), "InferenceGraphSpec"),
    ("graph", ("nodes", "root"), "Router"),
)
VALUES: dict[str, Any] = {
    "string": "x1",
    "boolean": True,
    "int32": 7,
    "int64": 7,
    "integer": 7,
    "quantity": "3",
    "intstr": 3,
    "any": {"k": "v"},
}
SPECIAL: dict[str, Any] = {
    "storageUri": "s3://bucket/other",
    "uri": "s3://bucket/other",
    "mountPath": "/mnt/models/other",
    "url": "http://sink.example/",
    "canaryTrafficPercent": 20,
    "trafficPercent": 20,
    "weight": 40,
    "dependency": "Hard",
    "condition": "predictions",
    "data": "$response",
    "serviceAccountName": "reader",
    "mode": "all",
    "logger": {"mode": "all", "url": "http://sink.example/"},
    "resources": {"limits": {"cpu": "3"}},
}
WITHOUT_A_TRACE = {
    ("Batcher", "timeout"): "KServe has no use for it either",
    ("Batcher", "maxLatency"): "told by the transformer's batcher itself",
    ("Container", "name"): "a container's name is nobody's business but its own",
    ("Predictor", "name"): "only canaries are told apart by it, by the operator",
    ("ModelFormat", "version"): "chooses a runtime; umbel's own reads every version",
    ("Model", "runtime"): "chooses among KServe's runtimes; umbel's own is the format's",
    ("FrameworkModel", "protocolVersion"): "every protocol is always served",
    ("Logger", "metadataAnnotations"): "names an annotation, and there is none",
    ("PodSpec", "affinity"): "a helper's preferences are no rules",
}
"""Fields that may leave no trace, and why."""


def filled(kind: FieldType, name: str) -> Any:
    """A value of the type with what it requires."""
    if name in SPECIAL:
        one = SPECIAL[name]
    elif kind.base == "enum":
        one = kind.choices[-1]
    elif kind.base in VALUES:
        one = VALUES[kind.base]
    else:
        inner = fields_of(kind.base)
        one = {key: filled(field, key) for key, field in inner.items() if field.required}
        if not one and inner:  # an empty object asks for nothing
            key, field = next(iter(sorted(inner.items(), key=lambda item: len(item[1].base))))
            one = {key: filled(field, key)}
    return {"one": one, "list": [one], "map": {"k": one}}[kind.form]


def leaves(type_name: str, path: Path, seen: set[str]) -> Iterator[tuple[str, Path]]:
    """(the type that has it, path) of each field below a type, each type once. What lies below
    a type that the table does not have goes where the field of that type goes."""
    for name, kind in fields_of(type_name).items():
        below = (*path, name)
        yield type_name, below
        told = level(type_name, name) == "none"
        if kind.base in types() and kind.base not in seen and not told:
            seen.add(kind.base)
            step: Path = {"one": (), "list": (0,), "map": ("k",)}[kind.form]
            yield from leaves(kind.base, (*below, *step), seen)


def put(spec: Any, path: Path, type_name: str) -> Any:
    """``spec`` with a value at ``path``; what lies on the way has what its type requires."""
    head, *rest = path
    if isinstance(head, int) or head == "k":
        kind = FieldType(type_name)
        there = {**(spec or filled(kind, ""))}
        return put(there, tuple(rest), type_name) if rest else there
    kind = fields_of(type_name)[head]
    if not rest:
        return {**spec, head: filled(kind, head)}
    inner = spec.get(head)
    if kind.form == "one":
        base = filled(kind, head) if inner is None else inner
        return {**spec, head: put(base, tuple(rest), kind.base)}
    key, *more = rest
    if kind.form == "list":
        entries = list(inner or [filled(FieldType(kind.base), "")])
        entries[0] = put(entries[0], tuple(more), kind.base) if more else entries[0]
        return {**spec, head: entries}
    entries_by_name = dict(inner or {key: filled(FieldType(kind.base), "")})
    key = key if key in entries_by_name else next(iter(entries_by_name))
    there = entries_by_name[key]
    entries_by_name[key] = put(there, tuple(more), kind.base) if more else there
    return {**spec, head: entries_by_name}


def resource(base: str, spec: Any) -> str:
    kind, version = (
        ("InferenceGraph", "v1alpha1")
        if base == "graph"
        else (
            "InferenceService",
            "v1beta1",
        )
    )
    metadata = {"name": "one", "namespace": "team"}
    return json.dumps(
        {
            "apiVersion": f"serving.kserve.io/{version}",
            "kind": kind,
            "metadata": metadata,
            "spec": spec,
        }
    )


@functools.cache
def _rendered(text: str) -> tuple[str, frozenset[tuple[str, str, str]]]:
    found = render_texts([("/f.yaml", text)], RenderOptions())
    told = {(one.code, one.place.path, one.message) for one in found.findings}
    return found.text, frozenset(told)


def rendered(base: str, spec: Any) -> tuple[str, frozenset[tuple[str, str, str]]]:
    return _rendered(resource(base, spec))


@pytest.mark.slow
@pytest.mark.parametrize(("base", "start", "kind"), STARTS, ids=[f"{b}-{k}" for b, _, k in STARTS])
def test_no_field_is_dropped_in_silence(base: str, start: Path, kind: str) -> None:
    root = "InferenceGraphSpec" if base == "graph" else "InferenceServiceSpec"
    silent = set()
    for type_name, path in leaves(
        kind, start, {kind, "Container", "WorkerSpec", "Model", "FrameworkModel"}
    ):
        spec = put(BASES[base], path, root)
        above = path[: len(start)] if len(path) == len(start) + 1 else path[:-1]
        without = put(BASES[base], above, root) if len(above) > len(start) else BASES[base]
        if spec != without and rendered(base, spec) == rendered(base, without):
            silent.add((owner(type_name, path[-1]), path[-1]))
    unexpected = {
        one for one in silent if one not in WITHOUT_A_TRACE and level(*one) != "different"
    }
    assert sorted(unexpected) == []


def level(type_name: str, field: str) -> str:
    found = support_of(type_name, field)
    return found.level if found else "none"


def owner(type_name: str, field: str) -> str:
    """The type of the table whose own field it is."""
    bases = [one for one in BASE_TYPES.get(type_name, ()) if field in fields_of(one)]
    return bases[-1] if bases else type_name


def test_a_difference_is_told_in_words() -> None:
    for type_name in types():
        for field in fields_of(type_name):
            found = support_of(type_name, field)
            if found is not None and found.level == "different":
                assert found.words, (type_name, field)


def test_a_transformers_variables_and_volumes_join_the_pods() -> None:
    env = [{"name": "MODE", "value": "fast"}, {"name": "HOME", "value": "/own"}]
    mount = {"name": "data", "mountPath": "/data"}
    helper = {
        **CONTAINER,
        "env": env,
        "volumeMounts": [mount],
        "envFrom": [{"configMapRef": {"name": "c"}}],
    }
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "c"}}
    pod = {"containers": [helper], "volumes": [volume], "labels": {"team": "a"}}
    model = {**MODEL, "env": [{"name": "MODE", "value": "slow"}]}
    spec = {"predictor": {"model": model}, "transformer": pod}
    found = render_texts([("/f.yaml", resource("transformer", spec))], RenderOptions())
    (ray,) = [one for one in found.objects if one["kind"] == "RayService"]
    template = ray["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["template"]
    (container,) = template["spec"]["containers"]
    values = {one["name"]: one.get("value") for one in container["env"]}
    assert values["MODE"] == "slow"  # the predictor's wins
    assert values["HOME"] == "/own"
    assert mount in container["volumeMounts"]
    assert container["envFrom"] == [{"configMapRef": {"name": "c"}}]
    assert volume in template["spec"]["volumes"]
    assert template["metadata"]["labels"]["team"] == "a"


def test_what_only_the_predictors_pod_can_say_is_told() -> None:
    pod = {"containers": [CONTAINER], "priorityClassName": "high", "batcher": {"maxBatchSize": 2}}
    spec = {"predictor": {"model": MODEL}, "transformer": pod}
    found = render_texts([("/f.yaml", resource("transformer", spec))], RenderOptions())
    told = {one.place.path for one in found.findings if one.code == "UMB-K710"}
    assert told == {"spec.transformer.priorityClassName", "spec.transformer.batcher"}
