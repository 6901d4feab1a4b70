"""Where a service's pods may run, carried over to umbel's placement."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from umbel.graph import passes
from umbel.graph.inference import infer
from umbel.graph.options import Resources
from umbel.graph.placement import Placement
from umbel.k8s.translate import translate

MODEL = "model: {modelFormat: {name: sklearn}, storageUri: file:///m, resources: RESOURCES}"


def translated(predictor: str, annotations: str = "{}") -> Any:
    text = (
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\n"
        f"metadata: {{name: s, annotations: {annotations}}}\nspec:\n  predictor:\n"
        + textwrap.indent(textwrap.dedent(predictor).strip("\n"), "    ")
    )
    return translate([("s.yaml", text)])


def options(resources: str, more: str = "", annotations: str = "{}") -> tuple[Any, Any]:
    made = translated(MODEL.replace("RESOURCES", resources) + "\n" + more, annotations)
    assert [f for f in made.findings if f.severity == "error" or f.code >= "UMB-K5"] == []
    (node,) = made.program.graphs["s"].nodes.values()
    return node.options.resources, node.options.placement


def test_cpu_and_memory_alone_leave_a_model_in_the_graphs_process() -> None:
    asked = "{requests: {cpu: 500m, memory: 2Gi}, limits: {cpu: 1, memory: 2Gi}}"
    assert options(asked) == (Resources(), Placement())


def test_a_gpu_takes_cpu_and_memory_along() -> None:
    asked = "{requests: {cpu: 500m, memory: 2Gi}, limits: {nvidia.com/gpu: 1, cpu: 2}}"
    assert options(asked) == (Resources(0.5, 1.0, 2**31), Placement())


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ("{limits: {amd.com/gpu: 2}}", Resources(gpus=2.0)),
        ("{limits: {google.com/tpu: 4}}", Resources(custom={"TPU": 4.0})),
        ("{limits: {nvidia.com/mig-1g.5gb: 1}}", Resources(custom={"nvidia.com/mig-1g.5gb": 1.0})),
        ("{limits: {ephemeral-storage: 1Gi}}", Resources()),
    ],
)
def test_devices(resources: str, wanted: Resources) -> None:
    assert options(resources)[0] == wanted


def test_annotations() -> None:
    notes = (
        "{umbel.dev/gpus: '0.5', umbel.dev/pool: a100, umbel.dev/per-machine: '2', "
        "umbel.dev/apart: pair}"
    )
    found = options("{limits: {nvidia.com/gpu: 1}}", annotations=notes)
    assert found == (Resources(gpus=0.5), Placement("a100", {}, 2, "", "pair"))


def test_a_node_selector_becomes_labels() -> None:
    selector = (
        "nodeSelector: {disk: ssd, kubernetes.io/os: linux, topology.kubernetes.io/zone: eu-1, "
        "nvidia.com/gpu.product: NVIDIA-A100-SXM4-40GB}"
    )
    resources, placement = options("{}", selector)
    assert resources == Resources(accelerator="A100")
    assert placement.labels == {"disk": "ssd", "ray.io/availability-zone": "eu-1"}


AFFINITY = """
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: zone, operator: In, values: [a, b]}
        - {key: spot, operator: NotIn, values: ["yes"]}
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
    - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: s}}}
"""


def test_affinity_as_far_as_it_maps() -> None:
    _, placement = options("{}", AFFINITY)
    assert placement == Placement("", {"zone": "in(a,b)", "spot": "!yes"}, 1)


def told(more: str, annotations: str = "{}") -> list[tuple[str, str]]:
    found = translated(MODEL.replace("RESOURCES", "{}") + "\n" + more, annotations).findings
    return [(f.code, f.message) for f in found if f.code in ("UMB-K520", "UMB-K521")]


def test_what_does_not_map_is_told() -> None:
    (one,) = told(AFFINITY.replace("operator: In", "operator: Gt"))
    assert one == ("UMB-K520", "operator Gt of 'zone' is left out: Ray selects by values")
    two = AFFINITY.replace("podAntiAffinity", "podAffinity")
    assert [code for code, _ in told(two)] == ["UMB-K520"]
    wrong = "{umbel.dev/gpus: many, umbel.dev/per-machine: none}"
    assert [code for code, _ in told("", wrong)] == ["UMB-K521", "UMB-K521"]


def test_the_methods_of_a_class_are_one_replica() -> None:
    made = translated(
        """
        containers:
        - name: kserve-container
          image: mine
          command: [python, -m, "models:Mine"]
          resources: {limits: {nvidia.com/gpu: 1}}
        """
    )
    plan = passes.plan(infer(made.program))
    (one,) = plan.deployments
    assert len(one.nodes) == 3
    assert one.resources == Resources(gpus=1.0)
