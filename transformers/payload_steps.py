"""Ready-made classes for the transformer of an InferenceService, in KServe's model shape.

    transformer:
      containers:
        - name: kserve-container
          image: any
          command: ["umbel.transformers.payload_steps:ImageTransformer"]
          args: [--resize, "256", --crop, "224", --labels, cat, dog, --top_k, "1"]

Arguments are text or lists of text, as they stand on a command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.transformers.image import Layout, Preparation
from umbel.transformers.scores import best_classes

Words = str | Sequence[str]


class LabelTransformer:
    """``postprocess``: a model's scores become its best classes. ``labels``: a name for each
    class. ``top_k``: how many (default 5). ``logits``: ``true`` to take the softmax first."""

    def __init__(self, labels: Words = (), top_k: str = "5", logits: str = "false") -> None:
        self._labels = _words(labels)
        self._k = _whole("top_k", top_k)
        self._logits = logits.lower() == "true"

    def postprocess(self, payload: Any) -> Any:
        """``{"predictions": [[0.1, 0.9]]}`` → ``{"predictions": [[{"label": …}]]}``."""
        scores = _scores(payload)
        return {"predictions": best_classes(scores, self._k, self._labels, logits=self._logits)}


class ImageTransformer(LabelTransformer):
    """``preprocess``: images become the model's tensor. Without arguments as ImageNet's networks
    take them. ``resize``, ``crop``: pixels; ``mean``, ``std``: a number for each channel;
    ``layout``: ``nchw`` or ``nhwc``; ``protocol``: ``v2`` sends one FP32 tensor ``input_name``.
    With ``labels`` or ``top_k``, answers become the best classes."""

    def __init__(  # noqa: PLR0913  one for each argument of the command line
        self,
        *,
        resize: str = "256",
        crop: str = "224",
        mean: Words = ("0.485", "0.456", "0.406"),
        std: Words = ("0.229", "0.224", "0.225"),
        mode: str = "RGB",
        layout: str = "nchw",
        protocol: str = "v1",
        input_name: str = "INPUT__0",
        labels: Words = (),
        top_k: str = "",
        logits: str = "false",
    ) -> None:
        super().__init__(labels, top_k or "5", logits)
        self._names = bool(labels or top_k)
        self._v2, self._input = protocol in ("v2", "grpc-v2"), input_name
        self._preparation = Preparation(
            _whole("resize", resize),
            _whole("crop", crop),
            _numbers("mean", mean),
            _numbers("std", std),
            mode,
            cast("Layout", layout),
        )
        self._preparation.check()

    def preprocess(self, payload: Any) -> Any:
        """V1 instances, or a V2 tensor of BYTES, of images → the model's request."""
        tensors = self._preparation.tensors(_images(payload))
        if not self._v2:
            return {"instances": tensors.tolist()}
        tensor = {"name": self._input, "shape": list(tensors.shape), "datatype": "FP32"}
        return {"inputs": [{**tensor, "data": tensors.ravel().tolist()}]}

    def postprocess(self, payload: Any) -> Any:
        """The answer as it is, or its best classes."""
        return super().postprocess(payload) if self._names else payload


def _images(payload: Any) -> list[Any]:
    if isinstance(payload, dict):
        found = payload.get("instances")
        if isinstance(found, list):
            return found
        tensors = payload.get("inputs")
        if isinstance(tensors, list) and len(tensors) == 1 and isinstance(tensors[0], dict):
            data = tensors[0].get("data")
            if isinstance(data, list):
                return data
    raise InvalidInput('expected {"instances": [{"b64": …}, …]} or one V2 tensor of BYTES')


def _scores(payload: Any) -> Any:
    """``[batch, classes]`` of a V1 or V2 answer."""
    if isinstance(payload, dict) and isinstance(payload.get("predictions"), list):
        return payload["predictions"]
    outputs = payload.get("outputs") if isinstance(payload, dict) else None
    if isinstance(outputs, list) and outputs and isinstance(outputs[0], dict):
        first = outputs[0]
        return np.array(first.get("data"), np.float64).reshape(first.get("shape") or (-1,))
    raise DeclarationError("the predictor's answer has neither predictions nor outputs")


def _words(value: Words) -> tuple[str, ...]:
    return tuple(value.split(",")) if isinstance(value, str) and value else tuple(value)


def _numbers(name: str, value: Words) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in _words(value))
    except ValueError:
        raise DeclarationError(f"--{name}: expected numbers, got {value!r}") from None


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DeclarationError(f"--{name}: expected a whole number, got {text!r}") from None
