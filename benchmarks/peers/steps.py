"""What the nodes of the workloads compute, as plain functions of arrays: the same for every peer.

`benchmarks/graphs` declares the same steps to umbel. A loader builds a step where it will run.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).resolve().parents[1] / "models"

Step = Callable[[Any], Any]
"""An array (or a list of texts) in, an array out."""


def light(number: int) -> Step:
    """x * w + b on four columns."""
    sign = 1 if number % 2 == 0 else -1
    w = np.array([1.01, 0.99, 1.02, 0.98]) ** sign
    b = np.array([0.01, -0.01, 0.02, -0.02]) * sign
    return lambda x: x * w + b


def iris() -> Step:
    """The class of each row ``[batch, 4]``, by scikit-learn's logistic regression."""
    return _sklearn("iris").predict  # type: ignore[no-any-return]


def linear() -> Step:
    """Probabilities ``[batch, 10]`` of grey values ``[batch, 64]``, by scikit-learn."""
    model = _sklearn("digits")
    return lambda pixels: model.predict_proba((pixels / 16).astype(np.float32))


def network() -> Step:
    """The same, by a small convolutional network."""
    model = _torch("digits")
    return lambda pixels: model((pixels / 16).astype(np.float32))


def mlp() -> Step:
    """Scores ``[batch, 10]`` of ``[batch, 64]``."""
    model = _torch("mlp")
    return lambda x: model(x.astype(np.float32))


def gain() -> Step:
    """x * 1.01, in float32."""
    return lambda x: x * np.float32(1.01)


def offset() -> Step:
    """x + 0.5, in float32."""
    return lambda x: x + np.float32(0.5)


def prepare() -> Step:
    """PNG images in base64 → float32 ``[batch, 3, 32, 32]``: decode and resize."""
    from PIL import Image

    def run(images: list[str]) -> Any:
        small = []
        for text in images:
            image = Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")
            small.append(np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)))
        scaled = np.stack(small).astype(np.float32) / 255
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))

    return run


def classify() -> Step:
    """The class of each image ``[batch, 3, 32, 32]``."""
    model = _torch("image")
    return lambda images: model(images.astype(np.float32, copy=False)).argmax(axis=1)


def _sklearn(name: str) -> Any:
    import skops.io

    return skops.io.load(MODELS / f"{name}.skops")


def _torch(name: str) -> Step:
    import torch

    model = torch.export.load(MODELS / f"{name}.pt2").module()

    def run(x: Any) -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(x)).numpy()

    return run
