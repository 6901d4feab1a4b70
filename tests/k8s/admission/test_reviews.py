"""Reviews as an API server sends them."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from umbel.k8s.admission import NotAReview, convert, default, validate
from umbel.k8s.admission.conversion import OLD, TODAY, converted
from umbel.k8s.admission.defaulting import defaulted, patch
from umbel.k8s.resources.predictor import FRAMEWORKS

SERVICE: dict[str, Any] = yaml.safe_load("""
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: team, uid: "1", annotations: {a/b: c}}
spec:
  predictor:
    sklearn: {storageUri: "s3://b/iris"}
""")
GRAPH: dict[str, Any] = yaml.safe_load("""
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: twice, namespace: team}
spec:
  nodes:
    root:
      routerType: Switch
      steps: [{serviceName: iris, condition: "a.b"}, {nodeName: nowhere}]
""")


def review(new: Any, old: Any = None, operation: str = "CREATE") -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "operation": operation,
            "namespace": "team",
            "object": new,
            "oldObject": old,
        },
    }


def with_spec(raw: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**raw, "spec": {**raw["spec"], **changes}}


def test_a_good_service_is_let_in() -> None:
    answer = validate(review(SERVICE))
    assert answer["kind"] == "AdmissionReview"
    assert answer["response"] == {"uid": "u-1", "allowed": True}


def test_every_mistake_is_told_with_its_place_and_fix() -> None:
    bad = with_spec(SERVICE, predictor={"minReplicas": -1, "scaleMetric": "love", "sklearn": {}})
    response = validate(review(bad))["response"]
    assert response["allowed"] is False
    status = response["status"]
    assert (status["code"], status["reason"]) == (422, "Invalid")
    fields = {cause["field"] for cause in status["details"]["causes"]}
    assert any("minReplicas" in field for field in fields)
    assert any("scaleMetric" in field for field in fields)
    assert all(c["reason"].startswith("UMB-K") for c in status["details"]["causes"])
    assert status["message"].count("fix:") == len(status["details"]["causes"])


def test_a_graph_gets_the_checks_of_umbel_check() -> None:
    response = validate(review(GRAPH))["response"]
    assert response["allowed"] is False
    assert "nowhere" in response["status"]["message"]


def test_unknown_fields_are_warnings() -> None:
    odd = with_spec(SERVICE, predictor={**SERVICE["spec"]["predictor"], "minReplica": 1})
    response = validate(review(odd))["response"]
    assert response["allowed"] is True
    (warning,) = response["warnings"]
    assert "minReplica" in warning


def test_many_warnings_stay_within_what_an_api_server_passes_on() -> None:
    odd = with_spec(
        SERVICE, predictor={**SERVICE["spec"]["predictor"], **{"ü" * n: 1 for n in range(1, 99)}}
    )
    warnings = validate(review(odd))["response"]["warnings"]
    assert warnings
    assert all(len(one.encode()) <= 256 for one in warnings)
    assert sum(len(one.encode()) for one in warnings) <= 4096


def test_what_is_elsewhere_is_missed_only_where_somebody_looked() -> None:
    good = copy.deepcopy(GRAPH)
    good["spec"]["nodes"]["root"]["steps"].pop()
    assert "warnings" not in validate(review(good))["response"]
    alone = validate(review(good), lambda namespace: [])["response"]
    assert "iris" in alone["warnings"][0]
    beside = validate(review(good), lambda namespace: [SERVICE, good])["response"]
    assert "warnings" not in beside


def test_an_object_that_was_let_in_before_can_lose_a_finalizer() -> None:
    bad = with_spec(SERVICE, predictor={"minReplicas": -1})
    held = {**bad, "metadata": {**bad["metadata"], "finalizers": ["x"]}}
    assert validate(review(bad, held, "UPDATE"))["response"]["allowed"] is True
    worse = with_spec(SERVICE, predictor={"minReplicas": -2})
    assert validate(review(worse, bad, "UPDATE"))["response"]["allowed"] is False
    going = {**bad, "metadata": {**bad["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert validate(review(going, SERVICE, "UPDATE"))["response"]["allowed"] is True
    assert validate(review(None, bad, "DELETE"))["response"]["allowed"] is True


@pytest.mark.parametrize("spec", [None, [], "text", {"predictor": []}, {"predictor": None}, {}])
def test_an_object_of_any_shape_gets_an_answer(spec: Any) -> None:
    raw = {**SERVICE, "spec": spec}
    assert "allowed" in validate(review(raw))["response"]
    assert default(review(raw))["response"]["allowed"] is True


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"kind": "AdmissionReview"},
        {**review(SERVICE), "apiVersion": "admission.k8s.io/v1beta1"},
        {**review(SERVICE), "request": {}},
    ],
)
def test_what_is_no_review_is_refused(body: Any) -> None:
    for handler in (validate, default, convert):
        with pytest.raises(NotAReview, match="expected"):
            handler(body)


def applied(raw: Any, operations: list[dict[str, Any]]) -> Any:
    """RFC 6902, as far as it is used."""
    made = copy.deepcopy(raw)
    for operation in operations:
        *above, last = [
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        ]
        at = made
        for part in above:
            at = at[int(part)] if isinstance(at, list) else at[part]
        key: Any = int(last) if isinstance(at, list) else last
        if operation["op"] == "remove":
            del at[key]
        else:
            at[key] = operation["value"]
    return made


def patched(raw: dict[str, Any]) -> dict[str, Any]:
    response = default(review(raw))["response"]
    assert response["allowed"] is True
    if "patch" not in response:
        return raw
    assert response["patchType"] == "JSONPatch"
    made: dict[str, Any] = applied(raw, json.loads(base64.b64decode(response["patch"])))
    return made


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_block_becomes_a_model(name: str) -> None:
    raw = with_spec(SERVICE, predictor={name: {"storageUri": "s3://b/m"}, "minReplicas": 2})
    model = patched(raw)["spec"]["predictor"]["model"]
    assert model["modelFormat"] == {"name": name}
    assert model["storageUri"] == "s3://b/m"
    assert name not in patched(raw)["spec"]["predictor"]
    assert patched(raw)["spec"]["predictor"]["minReplicas"] == 2


def test_defaults_are_set_once_and_change_no_finding() -> None:
    raw = with_spec(
        SERVICE,
        transformer={"containers": [{"image": "x"}]},
        canary=[{"predictor": {"name": "c", "sklearn": {}}, "trafficPercent": 5}],
    )
    made = patched(raw)
    assert made["spec"]["transformer"]["containers"][0]["name"] == "kserve-container"
    assert made["spec"]["canary"][0]["predictor"]["model"]["modelFormat"] == {"name": "sklearn"}
    assert patched(made) == made
    assert defaulted(GRAPH) == GRAPH


jsons = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("ab/~", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~"), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=100)
@given(st.dictionaries(st.text("ab/~"), jsons), st.dictionaries(st.text("ab/~"), jsons))
def test_a_patch_turns_one_into_the_other(before: Any, after: Any) -> None:
    made = applied(before, list(patch(before, after)))
    assert json.dumps(made, sort_keys=True) == json.dumps(after, sort_keys=True)


def conversion(objects: list[Any], desired: str) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": {"uid": "u-2", "desiredAPIVersion": desired, "objects": objects},
    }


OLD_SERVICE: dict[str, Any] = yaml.safe_load("""
apiVersion: serving.kserve.io/v1alpha2
kind: InferenceService
metadata: {name: iris, namespace: team, uid: "1", labels: {a: b}, annotations: {x: "y"}}
spec:
  default:
    predictor: {parallelism: 2, sklearn: {storageUri: "gs://b/one"}}
    transformer: {custom: {container: {image: me/t}}}
  canary:
    predictor: {sklearn: {storageUri: "gs://b/two"}}
  canaryTrafficPercent: 20
""")


def test_an_old_service_becomes_todays() -> None:
    response = convert(conversion([OLD_SERVICE], TODAY))["response"]
    assert response["uid"] == "u-2"
    assert response["result"] == {"status": "Success"}
    (made,) = response["convertedObjects"]
    assert made["apiVersion"] == TODAY
    assert made["spec"]["predictor"]["sklearn"] == {"storageUri": "gs://b/one"}
    assert made["spec"]["predictor"]["containerConcurrency"] == 2
    assert made["spec"]["canary"][0]["trafficPercent"] == 20
    for key in ("name", "namespace", "uid", "labels"):
        assert made["metadata"][key] == OLD_SERVICE["metadata"][key]
    assert validate(review(made))["response"]["allowed"] is True


def test_what_cannot_be_converted_fails_as_a_whole() -> None:
    response = convert(conversion([OLD_SERVICE, GRAPH], TODAY))["response"]
    assert response["result"]["status"] == "Failed"
    assert "InferenceGraph" in response["result"]["message"]
    assert response["convertedObjects"] == []


blocks = st.fixed_dictionaries({"storageUri": st.just("gs://b/m")})
predictors = st.one_of(
    st.builds(lambda name, block: {name: block}, st.sampled_from(FRAMEWORKS), blocks),
    st.builds(
        lambda name, block: {"model": {**block, "modelFormat": {"name": name}}},
        st.sampled_from(["sklearn", "onnx", "mlflow"]),
        blocks,
    ),
    st.just({"containers": [{"image": "x"}]}),
    st.just({"containers": [{"image": "x"}, {"image": "y"}], "nodeSelector": {"a": "b"}}),
)
extras = st.fixed_dictionaries(
    {}, optional={"minReplicas": st.integers(0, 3), "containerConcurrency": st.integers(0, 3)}
)
components = st.builds(lambda one, other: {**one, **other}, predictors, extras)
todays = st.fixed_dictionaries(
    {"predictor": components},
    optional={
        "transformer": components,
        "explainer": components,
        "canary": st.lists(
            st.fixed_dictionaries({"predictor": components, "trafficPercent": st.integers(0, 100)}),
            max_size=2,
        ),
    },
)


@settings(max_examples=100, deadline=None)
@given(todays)
def test_there_and_back_loses_nothing(spec: Any) -> None:
    raw = {**SERVICE, "spec": spec}
    there = converted(raw, OLD)
    assert there["apiVersion"] == OLD
    assert converted(there, TODAY) == raw
    assert converted(raw, TODAY) == raw


def test_an_old_service_comes_back_as_it_was() -> None:
    assert converted(converted(OLD_SERVICE, TODAY), OLD) == OLD_SERVICE


def test_a_change_after_the_conversion_counts() -> None:
    today = converted(OLD_SERVICE, TODAY)
    today["spec"]["predictor"]["sklearn"]["storageUri"] = "gs://b/three"
    back = converted(today, OLD)
    assert back["spec"]["default"]["predictor"]["sklearn"]["storageUri"] == "gs://b/three"


def test_a_manifest_with_a_framework_block_can_be_applied_again() -> None:
    """kubectl merges it with what the first defaulting made of it."""
    first = {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": "gs://b/one"}}
    old = {"kind": "InferenceService", "spec": {"predictor": first}}
    again = {"predictor": {**first, "sklearn": {"storageUri": "gs://b/two"}}}
    made = defaulted({"kind": "InferenceService", "spec": again}, old)
    model = {"modelFormat": {"name": "sklearn"}, "storageUri": "gs://b/two"}
    assert made["spec"]["predictor"] == {"model": model}
    both = defaulted({"kind": "InferenceService", "spec": again})  # nothing was there before
    assert both["spec"] == again
