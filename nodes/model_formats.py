"""Which file opens which model format, and the extra that installs its library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelFormat:
    """``module`` has ``open_model(ModelFile) -> ModelRuntime``; ``extra`` installs its library.
    ``holds_code``: its files may run code while they are read, so that it has the setting
    ``allow_pickle``."""

    module: str
    extra: str
    holds_code: bool = False


FORMATS: dict[str, ModelFormat] = {
    "sklearn": ModelFormat("umbel.nodes.sklearn_model", "sklearn", holds_code=True),
    "pytorch": ModelFormat("umbel.nodes.torch_model", "torch", holds_code=True),
    "xgboost": ModelFormat("umbel.nodes.xgboost_model", "xgboost"),
    "lightgbm": ModelFormat("umbel.nodes.lightgbm_model", "lightgbm"),
    "onnx": ModelFormat("umbel.nodes.onnx_model", "onnx"),
    "huggingface": ModelFormat("umbel.nodes.huggingface_model", "huggingface"),
    "mlflow": ModelFormat("umbel.nodes.mlflow_model", "mlflow", holds_code=True),
    "pmml": ModelFormat("umbel.nodes.pmml_model", "pmml"),
    "tensorflow": ModelFormat("umbel.nodes.tensorflow_model", "tensorflow", holds_code=True),
    "catboost": ModelFormat("umbel.nodes.catboost_model", "catboost"),
    "triton": ModelFormat("umbel.nodes.triton_model", "onnx"),
    "vLLM": ModelFormat("umbel.nodes.huggingface_model", "huggingface"),
}
