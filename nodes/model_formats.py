"""Which file opens which model format, and the extra that installs its library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelFormat:
    """``module`` has ``open_model(ModelFile) -> ModelRuntime``; ``extra`` installs its library."""

    module: str
    extra: str


FORMATS: dict[str, ModelFormat] = {
    "sklearn": ModelFormat("umbel.nodes.sklearn_model", "sklearn"),
    "pytorch": ModelFormat("umbel.nodes.torch_model", "torch"),
    "xgboost": ModelFormat("umbel.nodes.xgboost_model", "xgboost"),
    "lightgbm": ModelFormat("umbel.nodes.lightgbm_model", "lightgbm"),
    "onnx": ModelFormat("umbel.nodes.onnx_model", "onnx"),
    "huggingface": ModelFormat("umbel.nodes.huggingface_model", "huggingface"),
    "mlflow": ModelFormat("umbel.nodes.mlflow_model", "mlflow"),
    "pmml": ModelFormat("umbel.nodes.pmml_model", "pmml"),
    "tensorflow": ModelFormat("umbel.nodes.tensorflow_model", "tensorflow"),
    "catboost": ModelFormat("umbel.nodes.catboost_model", "catboost"),
    "triton": ModelFormat("umbel.nodes.triton_model", "onnx"),
    "vLLM": ModelFormat("umbel.nodes.huggingface_model", "huggingface"),
}
