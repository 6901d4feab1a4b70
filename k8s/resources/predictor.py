"""The predictor: a model of a known format, or a container of the user's own."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from umbel.k8s.resources.component import Component
from umbel.k8s.resources.container import Container
from umbel.k8s.resources.declared import Declared
from umbel.k8s.resources.pod import PodSpec

FRAMEWORKS = (
    "sklearn",
    "xgboost",
    "tensorflow",
    "pytorch",
    "triton",
    "onnx",
    "huggingface",
    "pmml",
    "lightgbm",
    "paddle",
)
"""The predictor's blocks that are named after a model format."""

MODEL_BLOCKS = ("model", *FRAMEWORKS)
"""The blocks that hold the model; a valid predictor has one of them, or a container."""

V2_FRAMEWORKS = frozenset({"triton", "onnx", "huggingface"})
"""Framework blocks that speak protocol v2 where none is given."""

V2_FORMATS = frozenset({"triton", "vLLM"})
"""Model formats that speak protocol v2 where none is given (in a ``model`` block)."""


class ModelFormat(Declared):
    """A format's name, and its version where it matters which."""

    name: str = ""
    version: str | None = None


class ModelStorage(Declared):
    """A model's place by a secret's ``key``, a ``path`` and parameters, instead of a URI."""

    key: str | None = None
    path: str | None = None
    schema_path: str | None = None
    parameters: Mapping[str, str] = Field(default_factory=dict)


class Confidential(Declared):
    """A model that is decrypted inside a trusted environment."""

    enabled: bool = False
    resource_id: str | None = None


class FrameworkModel(Container):
    """``sklearn:`` and its like: a model by its format's name, with container overrides."""

    storage_uri: str | None = None
    storage: ModelStorage | None = None
    protocol_version: str | None = None
    runtime_version: str | None = None
    confidential: Confidential | None = None


class Model(FrameworkModel):
    """``model:``, the form every framework block is turned into."""

    model_format: ModelFormat = ModelFormat()
    runtime: str | None = None


class WorkerSpec(PodSpec):
    """The worker pods of a predictor that spans several machines."""

    pipeline_parallel_size: int | None = None
    tensor_parallel_size: int | None = None


class Predictor(Component):
    """The component that holds the model. ``name`` is the variant's name (canaries)."""

    name: str = ""
    storage_container_name: str = ""
    worker_spec: WorkerSpec | None = None
    model: Model | None = None
    sklearn: FrameworkModel | None = None
    xgboost: FrameworkModel | None = None
    tensorflow: FrameworkModel | None = None
    pytorch: FrameworkModel | None = None
    triton: FrameworkModel | None = None
    onnx: FrameworkModel | None = None
    huggingface: FrameworkModel | None = None
    pmml: FrameworkModel | None = None
    lightgbm: FrameworkModel | None = None
    paddle: FrameworkModel | None = None

    @property
    def model_blocks(self) -> tuple[tuple[str, FrameworkModel], ...]:
        """The model blocks that are given, by name; a valid predictor has at most one."""
        blocks = ((name, getattr(self, name)) for name in (*FRAMEWORKS, "model"))
        return tuple((name, block) for name, block in blocks if block is not None)

    @property
    def custom_container(self) -> Container | None:
        """The user's own container, where the predictor has no model block."""
        if self.model_blocks or not self.containers:
            return None
        return self.container("kserve-container") or self.containers[0]

    def as_model(self) -> Model | None:
        """The model block with KServe's defaults: framework blocks become ``model``.

        ``protocol_version`` stays None where KServe takes it from the runtime it selects.
        """
        if not self.model_blocks:
            return None
        name, block = self.model_blocks[0]
        if isinstance(block, Model):
            protocol = "v2" if block.model_format.name in V2_FORMATS else None
            return block.model_copy(update={"protocol_version": block.protocol_version or protocol})
        protocol = block.protocol_version or ("v2" if name in V2_FRAMEWORKS else None)
        return Model(
            **{field: getattr(block, field) for field in FrameworkModel.model_fields}
        ).model_copy(update={"model_format": ModelFormat(name=name), "protocol_version": protocol})
