"""A predictor's pod from its serving runtime: KServe's merge, placeholders and image tags."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from umbel.k8s.manifests.containers.merging import merged, merged_container
from umbel.k8s.manifests.workloads import GPUS, Object
from umbel.k8s.resources import Runtime
from umbel.k8s.resources.field_types import fields_of

MAIN, TRANSFORMER = "kserve-container", "transformer-container"

_POD_FIELDS = (
    "nodeSelector", "affinity", "tolerations", "volumes", "imagePullSecrets", "schedulerName",
    "resourceClaims", "hostIPC",
)  # fmt: skip
"""What a runtime says of its pod besides the containers."""

_PLACEHOLDER = re.compile(r"\{\{-?\s*\.(?P<field>\w+)(?:\.(?P<key>[\w-]+))?\s*-?\}\}")
_TAG = re.compile(r":[\w.\-]*$")
_GPU_TAGS = ("tensorflow-serving", "torchserve", "huggingfaceserver")

_MLSERVER = {
    "sklearn": "mlserver_sklearn.SKLearnModel",
    "xgboost": "mlserver_xgboost.XGBoostModel",
    "lightgbm": "mlserver_lightgbm.LightGBMModel",
    "mlflow": "mlserver_mlflow.MLflowRuntime",
}
"""Model format → the class that MLServer is told to open it with."""


@dataclass(frozen=True)
class Described:
    """What placeholders are replaced by: metadata of the service."""

    name: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def value(self, field: str, key: str | None) -> str | None:
        """A placeholder's value; None for one that has none."""
        if key is None:
            return {"Name": self.name, "Namespace": self.namespace}.get(field)
        found = {"Labels": self.labels, "Annotations": self.annotations}.get(field)
        return None if found is None else str(found.get(key, ""))


def filled(part: Any, described: Described) -> Any:
    """Plain data with its placeholders (``{{.Name}}``, ``{{.Labels.x}}``) replaced."""

    def replaced(found: re.Match[str]) -> str:
        value = described.value(found["field"], found["key"])
        return found[0] if value is None else json.dumps(value)[1:-1]

    return json.loads(_PLACEHOLDER.sub(replaced, json.dumps(part)))


def runtime_pod(
    runtime: Runtime,
    block: Mapping[str, Any],
    component: Mapping[str, Any],
    described: Described,
    model_format: str,
    protocol: str,
) -> Object:
    """The pod of a model. ``block``: the predictor's model block, ``component``: the predictor.
    The model's own container is called kserve-container and stands first."""
    described = _with_defaults(described, runtime.name, model_format, protocol)
    theirs = {one.get("name"): one for one in runtime.pod.get("containers") or ()}
    ours = {one.get("name"): one for one in component.get("containers") or ()}
    own = {key: value for key, value in block.items() if key in fields_of("Container")}
    main = merged_container(theirs.get(MAIN, {}), own)
    main = filled({**main, "name": MAIN}, described)
    main["image"] = _tagged(main, block, runtime.name)
    if "mlserver" in runtime.name:
        main["env"] = _mlserver(main.get("env") or (), described.name)
    beside = merged_container(theirs.get(TRANSFORMER, {}), ours.get(TRANSFORMER, {}))
    containers = [main, *([filled(beside, described)] if beside else [])]
    containers += [one for name, one in theirs.items() if name not in (MAIN, TRANSFORMER)]
    containers += [one for name, one in ours.items() if name != TRANSFORMER]
    base = {name: runtime.pod[name] for name in _POD_FIELDS if runtime.pod.get(name)}
    over = {name: component[name] for name in fields_of("PodSpec") if name in component}
    return {**merged(base, {**over, "containers": None}), "containers": containers}


def _with_defaults(described: Described, runtime: str, format_: str, protocol: str) -> Described:
    """KServe writes on the service what its runtimes' placeholders ask for."""
    labels = {
        "modelClass": _MLSERVER.get(format_, ""),
        "serviceEnvelope": "kservev2" if protocol == "v2" else "kserve",
    }
    return Described(
        described.name,
        described.namespace,
        {**labels, **described.labels},
        {"modelFormat": format_, **described.annotations},
    )


def _tagged(container: Mapping[str, Any], block: Mapping[str, Any], runtime: str) -> str:
    image = str(container.get("image") or "")
    if "@sha256:" in image:
        return image
    version = block.get("runtimeVersion")
    if version:
        return f"{_TAG.sub('', image)}:{version}"
    limits = (container.get("resources") or {}).get("limits") or {}
    gpu = any(str(limits.get(name, "0")) not in ("0", "") for name in GPUS)
    if gpu and any(name in runtime for name in _GPU_TAGS) and not image.endswith("-gpu"):
        return f"{image}-gpu" if _TAG.search(image) else image
    return image


def _mlserver(env: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    given = {one.get("name") for one in env}
    own = {"MLSERVER_MODEL_NAME": name, "MLSERVER_MODEL_URI": "/mnt/models"}
    return [*env, *({"name": n, "value": v} for n, v in own.items() if n not in given)]
