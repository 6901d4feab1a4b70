"""The pods of the ClusterServingRuntimes that KServe 0.20 installs, as plain data: for a model
that is to run in its runtime's container where the cluster declares no runtime of that name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KSERVE = "v0.20.0"
"""The tag of KServe's own images."""

_SIZE: Mapping[str, str] = {"cpu": "1", "memory": "2Gi"}

_KSERVE_ARGS = ("--model_name={{.Name}}", "--model_dir=/mnt/models", "--http_port=8080")


def _pod(
    image: str,
    args: Sequence[str],
    *,
    command: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    user: int | None = None,
    port: str = "8080",
    shared_memory: bool = False,
) -> Mapping[str, Any]:
    security: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    container: dict[str, Any] = {
        "name": "kserve-container",
        "image": image,
        "args": list(args),
        "securityContext": security if user is None else {"runAsUser": user, **security},
        "resources": {"requests": dict(_SIZE), "limits": dict(_SIZE)},
    }
    if command:
        container["command"] = list(command)
    if env:
        container["env"] = [{"name": name, "value": value} for name, value in env.items()]
    pod: dict[str, Any] = {
        "annotations": {"prometheus.kserve.io/port": port, "prometheus.kserve.io/path": "/metrics"},
        "containers": [container],
    }
    if shared_memory:
        container["volumeMounts"] = [{"name": "devshm", "mountPath": "/dev/shm"}]  # noqa: S108
        pod["volumes"] = [{"name": "devshm", "emptyDir": {"medium": "Memory"}}]
    return pod


def _kserve(name: str, *more: str, **other: Any) -> Mapping[str, Any]:
    return _pod(f"kserve/{name}:{KSERVE}", (*_KSERVE_ARGS, *more), **other)


PODS: Mapping[str, Mapping[str, Any]] = {
    "kserve-sklearnserver": _kserve("sklearnserver"),
    "kserve-xgbserver": _kserve("xgbserver", "--nthread=1"),
    "kserve-lgbserver": _kserve("lgbserver", "--nthread=1"),
    "kserve-pmmlserver": _kserve("pmmlserver"),
    "kserve-paddleserver": _kserve("paddleserver"),
    "kserve-autogluonserver": _kserve("autogluonserver"),
    "kserve-catboostserver": _kserve("catboostserver"),
    "kserve-predictiveserver": _kserve(
        "predictiveserver", "--framework={{.Annotations.modelFormat}}", "--nthread=1"
    ),
    "kserve-mlserver": _pod(
        "docker.io/seldonio/mlserver:1.5.0",
        (),
        env={
            "MLSERVER_MODEL_IMPLEMENTATION": "{{.Labels.modelClass}}",
            "MLSERVER_HTTP_PORT": "8080",
            "MLSERVER_GRPC_PORT": "9000",
            "MODELS_DIR": "/mnt/models",
        },
    ),
    "kserve-tensorflow-serving": _pod(
        "tensorflow/serving:2.6.2",
        (
            "--model_name={{.Name}}",
            "--port=9000",
            "--rest_api_port=8080",
            "--model_base_path=/mnt/models",
            "--rest_api_timeout_in_ms=60000",
        ),
        command=["/usr/bin/tensorflow_model_server"],
        user=1000,
    ),
    "kserve-torchserve": _pod(
        "pytorch/torchserve-kfs:0.9.0",
        (
            "torchserve",
            "--start",
            "--model-store=/mnt/models/model-store",
            "--ts-config=/mnt/models/config/config.properties",
        ),
        env={"TS_SERVICE_ENVELOPE": "{{.Labels.serviceEnvelope}}"},
        port="8082",
    ),
    "kserve-tritonserver": _pod(
        "nvcr.io/nvidia/tritonserver:23.05-py3",
        (
            "tritonserver",
            "--model-store=/mnt/models",
            "--grpc-port=9000",
            "--http-port=8080",
            "--allow-grpc=true",
            "--allow-http=true",
        ),
        user=1000,
        port="8002",
    ),
    "kserve-huggingfaceserver": _pod(
        f"kserve/huggingfaceserver:{KSERVE}", ("--model_name={{.Name}}",), shared_memory=True
    ),
    "kserve-openvino": _pod(
        "openvino/model_server:latest",
        (
            "--model_name={{.Name}}",
            "--model_path=/mnt/models",
            "--port=9000",
            "--rest_port=8080",
            "--file_system_poll_wait_seconds=0",
        ),
        user=5000,
    ),
}
"""Runtime → the part of its spec that is about pods."""
