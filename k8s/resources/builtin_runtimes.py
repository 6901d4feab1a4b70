"""The ClusterServingRuntimes that KServe 0.20 installs, as data, and one of the next release."""

from __future__ import annotations

from dataclasses import dataclass

Formats = tuple[tuple[str, str | None, bool, int | None], ...]
"""(format's name, version, chosen automatically, priority)"""


@dataclass(frozen=True)
class BuiltInRuntime:
    """One row: ``multi_node`` runtimes serve only predictors with a workerSpec."""

    name: str
    formats: Formats
    protocols: tuple[str, ...]
    multi_node: bool = False
    installed: bool = True


def _auto(priority: int, **versions: str) -> Formats:
    """``sklearn="0 1"`` is two versions, both chosen automatically."""
    return tuple(
        (name, version, True, priority)
        for name, listed in versions.items()
        for version in listed.split()
    )


BUILT_IN: tuple[BuiltInRuntime, ...] = (
    BuiltInRuntime("kserve-sklearnserver", _auto(1, sklearn="1"), ("v1", "v2")),
    BuiltInRuntime("kserve-xgbserver", _auto(1, xgboost="2"), ("v1", "v2")),
    BuiltInRuntime("kserve-lgbserver", _auto(1, lightgbm="4"), ("v1", "v2")),
    BuiltInRuntime("kserve-pmmlserver", _auto(1, pmml="3 4"), ("v1", "v2")),
    BuiltInRuntime("kserve-paddleserver", _auto(1, paddle="2"), ("v1", "v2")),
    BuiltInRuntime("kserve-catboostserver", _auto(1, catboost="1"), ("v1", "v2")),
    BuiltInRuntime(
        "kserve-predictiveserver",
        (("sklearn", "1", False, 3), ("xgboost", "2", False, 3), ("lightgbm", "4", False, 3)),
        ("v1", "v2"),
    ),
    BuiltInRuntime("kserve-autogluonserver", _auto(1, autogluon="1"), ("v1", "v2")),
    BuiltInRuntime(
        "kserve-mlserver",
        _auto(2, sklearn="0 1", xgboost="1 2", lightgbm="3 4") + _auto(1, mlflow="1 2"),
        ("v2",),
    ),
    BuiltInRuntime("kserve-tensorflow-serving", _auto(2, tensorflow="1 2"), ("v1", "grpc-v1")),
    BuiltInRuntime("kserve-torchserve", _auto(2, pytorch="1"), ("v1", "v2", "grpc-v2")),
    BuiltInRuntime(
        "kserve-tritonserver",
        (
            *_auto(1, tensorrt="8", tensorflow="1 2", onnx="1", triton="2"),
            ("pytorch", "1", False, None),
        ),
        ("v2", "grpc-v2"),
    ),
    BuiltInRuntime("kserve-huggingfaceserver", _auto(1, huggingface="1"), ("v2", "v1")),
    BuiltInRuntime(
        "kserve-huggingfaceserver-multinode",
        _auto(2, huggingface="1"),
        ("v2", "v1"),
        multi_node=True,
    ),
    BuiltInRuntime("kserve-vllmserver", _auto(1, vLLM="1"), ()),
    BuiltInRuntime(
        "kserve-openvino",
        (
            ("openvino", "10", True, 1),
            ("onnx", "1", True, 2),
            ("tensorflow", "1", True, 3),
            ("huggingface", None, True, None),
        ),
        ("v1", "v2", "grpc-v2"),
        installed=False,
    ),
)
"""In the order of KServe's kustomization; ``installed`` is False for what it ships unlisted. The
server for CatBoost came after 0.20."""
