"""The table of fields in ``docs/migration-from-kserve.md``. ``make docs`` writes it."""

from __future__ import annotations

import os
from pathlib import Path

from umbel.k8s.manifests.field_support import ANNOTATIONS, Support, own_fields, support_of, types

PAGE = Path(__file__).parents[2] / "docs" / "migration-from-kserve.md"
START = "<!-- The table of fields: written by `make docs`. -->\n"

TITLES = {
    "InferenceServiceSpec": "InferenceService: `spec`",
    "Predictor": "`spec.predictor`",
    "Explainer": "`spec.explainer`",
    "Extension": "Every component: scaling, batching, logging",
    "PodSpec": "Every component: the pod",
    "Container": "Containers and model blocks",
    "FrameworkModel": "Model blocks",
    "Model": "`spec.predictor.model`",
    "ModelFormat": "`modelFormat`",
    "ModelStorage": "`storage`",
    "Confidential": "`confidential`",
    "StorageUri": "`storageUris[]`",
    "Batcher": "`batcher`",
    "Logger": "`logger`",
    "LoggerStorage": "`logger.storage`",
    "AutoScaling": "`autoScaling`",
    "Canary": "`spec.canary[]`",
    "WorkerSpec": "`workerSpec`",
    "ArtExplainer": "`explainer.art` and `explainer.alibi`",
    "InferenceGraphSpec": "InferenceGraph: `spec`",
    "Router": "`spec.nodes.*`",
    "Step": "`spec.nodes.*.steps[]`",
    "RouterTimeouts": "`spec.routerTimeouts`",
    "ServingRuntimeSpec": "ServingRuntime and ClusterServingRuntime: `spec`",
    "RuntimePod": "A runtime's pod",
    "RuntimeWorkerSpec": "A runtime's `workerSpec`",
    "SupportedModelFormat": "`supportedModelFormats[]`",
    "TrainedModelSpec": "TrainedModel: `spec`",
    "TrainedModelModel": "`spec.model`",
}
LEVELS = {"same": "same", "different": "different", "none": "**not supported**"}


def table() -> str:
    lines: list[str] = []
    for type_name in types():
        lines += ["", f"### {TITLES[type_name]}", "", "| field | | |", "|---|---|---|"]
        for field in own_fields(type_name):
            lines.append(row(field, support_of(type_name, field)))
    lines += ["", "### Annotations", "", "| annotation | | |", "|---|---|---|"]
    lines += [row(name, support) for name, support in ANNOTATIONS.items()]
    return "\n".join(lines) + "\n"


def row(name: str, support: Support | None) -> str:
    assert support is not None, name
    return f"| `{name}` | {LEVELS[support.level]} | {support.words} |"


def test_the_page_has_every_field() -> None:
    head = PAGE.read_text().partition(START)[0]
    page = head + START + table()
    if os.environ.get("UMBEL_WRITE_DOCS"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "run `make docs`"
