from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from umbel.graph.findings import Finding
from umbel.k8s.resources import (
    Runtime,
    RuntimeChoice,
    ServingRuntimeSpec,
    available_runtimes,
    built_in_runtimes,
    load,
    runtime_of,
    select_runtime,
)
from umbel.k8s.resources.predictor import Predictor
from umbel.k8s.resources.serving_runtime import SupportedModelFormat

Check = Callable[..., Any]

BUILT_IN = built_in_runtimes()


def choose(
    name: str,
    version: str | None = None,
    protocol: str | None = None,
    runtime: str | None = None,
    runtimes: tuple[Runtime, ...] = BUILT_IN,
    namespace: str = "models",
    **more: Any,
) -> str:
    found = select_runtime(name, version, protocol, runtime, False, namespace, runtimes, **more)
    if isinstance(found, Finding):
        assert found.severity == "error"
        assert found.fix
        return found.message.partition(":")[0]
    return f"{found.name}/{found.protocol}"


@pytest.mark.parametrize(
    ("name", "version", "protocol", "expected"),
    [
        ("sklearn", None, None, "kserve-sklearnserver/v1"),
        ("sklearn", "1", None, "kserve-sklearnserver/v1"),
        ("sklearn", None, "v2", "kserve-mlserver/v2"),
        ("sklearn", "0", None, "NoSupportingRuntime"),
        ("sklearn", "0", "v2", "kserve-mlserver/v2"),
        ("sklearn", "1.0", None, "NoSupportingRuntime"),
        ("sklearn", None, "grpc-v2", "NoSupportingRuntime"),
        ("xgboost", None, None, "kserve-xgbserver/v1"),
        ("xgboost", "1", "v2", "kserve-mlserver/v2"),
        ("lightgbm", "3", "v2", "kserve-mlserver/v2"),
        ("lightgbm", None, None, "kserve-lgbserver/v1"),
        ("pmml", "3", None, "kserve-pmmlserver/v1"),
        ("paddle", None, None, "kserve-paddleserver/v1"),
        ("autogluon", None, None, "kserve-autogluonserver/v1"),
        ("mlflow", None, "v2", "kserve-mlserver/v2"),
        ("mlflow", None, None, "NoSupportingRuntime"),
        ("tensorflow", None, None, "kserve-tensorflow-serving/v1"),
        ("tensorflow", "2", "grpc-v1", "kserve-tensorflow-serving/grpc-v1"),
        ("tensorflow", None, "v2", "kserve-tritonserver/v2"),
        ("pytorch", None, None, "kserve-torchserve/v1"),
        ("pytorch", None, "grpc-v2", "kserve-torchserve/grpc-v2"),
        ("onnx", None, "v2", "kserve-tritonserver/v2"),
        ("onnx", None, None, "NoSupportingRuntime"),
        ("triton", None, "v2", "kserve-tritonserver/v2"),
        ("tensorrt", "8", "grpc-v2", "kserve-tritonserver/grpc-v2"),
        ("huggingface", None, "v2", "kserve-huggingfaceserver/v2"),
        ("huggingface", None, None, "kserve-huggingfaceserver/v1"),
        ("vLLM", None, "v2", "kserve-vllmserver/v2"),
        ("catboost", None, None, "kserve-catboostserver/v1"),
        ("fasttext", None, None, "NoSupportingRuntime"),
        ("SKLearn", None, None, "NoSupportingRuntime"),
    ],
)
def test_the_built_in_runtime_a_model_gets(
    name: str, version: str | None, protocol: str | None, expected: str
) -> None:
    assert choose(name, version, protocol) == expected


def test_workers_choose_the_multi_node_runtime() -> None:
    assert choose("huggingface", multi_node=True) == "kserve-huggingfaceserver-multinode/v1"


@pytest.mark.parametrize(
    ("name", "version", "protocol", "runtime", "expected"),
    [
        ("sklearn", None, None, "kserve-mlserver", "kserve-mlserver/v2"),
        ("sklearn", None, None, "kserve-predictiveserver", "kserve-predictiveserver/v1"),
        ("pytorch", None, None, "kserve-tritonserver", "kserve-tritonserver/v2"),
        ("sklearn", None, "v1", "kserve-mlserver", "NoSupportingRuntime"),
        ("paddle", None, None, "kserve-mlserver", "NoSupportingRuntime"),
        ("sklearn", "7", None, "kserve-mlserver", "NoSupportingRuntime"),
        ("sklearn", None, None, "kserve-mlservr", "RuntimeNotRecognized"),
    ],
)
def test_a_named_runtime(
    name: str, version: str | None, protocol: str | None, runtime: str, expected: str
) -> None:
    assert choose(name, version, protocol, runtime) == expected


def own(
    name: str,
    priority: int | None = None,
    namespace: str = "",
    created: str = "",
    protocols: tuple[str, ...] = ("v1",),
    version: str | None = None,
    **more: Any,
) -> Runtime:
    entry = SupportedModelFormat(
        name="f", version=version, auto_select=more.pop("auto", True), priority=priority
    )
    spec = ServingRuntimeSpec(supported_model_formats=(entry,), protocol_versions=protocols, **more)
    return Runtime(name, spec, namespace, created)


@pytest.mark.parametrize(
    ("runtimes", "expected"),
    [
        ([own("a", 1), own("b", 2)], "b"),
        ([own("a"), own("b", 1)], "b"),
        ([own("b"), own("a")], "a"),
        ([own("a", created="2024-01-01T00:00:00Z"), own("b", created="2025-01-01T00:00:00Z")], "b"),
        ([own("a", protocols=()), own("b", protocols=("grpc-v2", "v1"))], "b"),
        ([own("a", 9), own("b", namespace="models")], "b"),
        ([own("a"), own("b", 9, namespace="other")], "a"),
        ([own("a"), own("b", 9, disabled=True)], "a"),
        ([own("a"), own("b", 9, multi_model=True)], "a"),
        ([own("a"), own("b", 9, auto=False)], "a"),
        ([own("a"), own("b", 9, protocols=("v2",))], "a"),
    ],
)
def test_the_order_among_several(runtimes: list[Runtime], expected: str) -> None:
    for listed in (runtimes, runtimes[::-1]):
        assert choose("f", runtimes=tuple(listed)).partition("/")[0] == expected


def test_disabled_and_namespaced_runtimes_by_name() -> None:
    assert choose("f", runtime="a", runtimes=(own("a", disabled=True),)) == "RuntimeDisabled"
    assert choose("f", runtime="a", runtimes=(own("a", namespace="x"),)) == "RuntimeNotRecognized"
    both = (own("a", disabled=True), own("a", namespace="models"))
    assert choose("f", runtime="a", runtimes=both) == "a/v1"


@pytest.mark.parametrize(
    ("predictor", "expected"),
    [
        ({"sklearn": {}}, ("kserve-sklearnserver", "v1")),
        ({"sklearn": {"protocolVersion": "v2"}}, ("kserve-mlserver", "v2")),
        ({"onnx": {}}, ("kserve-tritonserver", "v2")),
        ({"triton": {}}, ("kserve-tritonserver", "v2")),
        ({"huggingface": {}}, ("kserve-huggingfaceserver", "v2")),
        ({"model": {"modelFormat": {"name": "huggingface"}}}, ("kserve-huggingfaceserver", "v1")),
        ({"model": {"modelFormat": {"name": "triton"}}}, ("kserve-tritonserver", "v2")),
        ({"model": {"modelFormat": {"name": "vLLM"}}}, ("kserve-vllmserver", "v2")),
        ({"pytorch": {}}, ("kserve-torchserve", "v1")),
    ],
)
def test_default_protocols(predictor: dict[str, Any], expected: tuple[str, str]) -> None:
    choice = runtime_of(Predictor.model_validate(predictor), "default", BUILT_IN)
    assert isinstance(choice, RuntimeChoice)
    assert (choice.name, choice.protocol) == expected
    assert runtime_of(Predictor.model_validate({"containers": [{}]}), "d", BUILT_IN) is None


RUNTIME = """
apiVersion: serving.kserve.io/v1alpha1
kind: %s
metadata: {name: %s}
spec:
  supportedModelFormats:
  - {name: %s, version: "1", autoSelect: true, priority: %s}
  protocolVersions: [%s]
  containers: [{name: kserve-container, image: mine}]
"""


def test_a_declared_runtime_serves_and_replaces_built_in_ones(check: Check) -> None:
    text = RUNTIME % ("ClusterServingRuntime", "kserve-sklearnserver", "cat", 1, "v1")
    loaded = load([("f", text)])
    known = available_runtimes(loaded.runtimes)
    assert choose("cat", runtimes=known) == "kserve-sklearnserver/v1"
    assert choose("sklearn", runtimes=known) == "NoSupportingRuntime"
    service = """
        apiVersion: serving.kserve.io/v1beta1
        kind: InferenceService
        metadata: {name: s}
        spec: {predictor: {model: {modelFormat: {name: cat}}}}
    """
    assert check(service).codes() == ["K219"]
    assert check(service, text).codes() == []


def test_two_runtimes_may_not_share_a_priority(check: Check) -> None:
    one = RUNTIME % ("ServingRuntime", "one", "cat", 1, "v1, v2")
    assert check(one, RUNTIME % ("ServingRuntime", "two", "CAT", 1, "v2")).codes() == ["K302"]
    assert check(one, RUNTIME % ("ServingRuntime", "two", "cat", 2, "v2")).codes() == []
    assert check(one, RUNTIME % ("ServingRuntime", "two", "cat", 1, "grpc-v2")).codes() == []
    assert check(one, RUNTIME % ("ClusterServingRuntime", "two", "cat", 1, "v2")).codes() == []
    clash = RUNTIME % ("ClusterServingRuntime", "two", "sklearn", 1, "v1")
    assert check(clash).codes() == ["K302"]
    assert check(clash).codes("error") == []


@pytest.mark.parametrize(
    ("spec", "codes"),
    [
        (
            "supportedModelFormats: [{name: a, autoSelect: true, priority: 1},"
            " {name: a, version: '2', autoSelect: true, priority: 2}]",
            ["K301"],
        ),
        ("supportedModelFormats: [{name: a, priority: 0}]", ["K308"]),
        ("workerSpec: {containers: []}", ["K303"]),
        ("workerSpec: {containers: [{name: a}, {name: b}]}", ["K303"]),
        ("workerSpec: {containers: [{name: a}], tensorParallelSize: 0}", ["K304"]),
        (
            "workerSpec: {containers: [{name: worker-container, resources:"
            " {limits: {acme.com/npu: 1}}}]}",
            ["K304"],
        ),
        ("volumes: [{name: v, emptyDir: {}}]", []),
        ("disabled: true, workerSpec: {containers: []}", []),
        ("workerSpec: {containers: [{name: a, env: [{name: PYTHONPATH}]}]}", ["K307"]),
    ],
)
def test_what_the_runtime_webhook_refuses(check: Check, spec: str, codes: list[str]) -> None:
    assert (
        check(f"""
        apiVersion: serving.kserve.io/v1alpha1
        kind: ServingRuntime
        metadata: {{name: r}}
        spec: {{containers: [{{name: kserve-container}}], {spec}}}
    """).codes()
        == codes
    )


def test_a_runtime_needs_containers(check: Check) -> None:
    found = check("""
        apiVersion: serving.kserve.io/v1alpha1
        kind: ServingRuntime
        metadata: {name: r}
        spec: {}
    """)
    assert found.codes() == ["K018"]
