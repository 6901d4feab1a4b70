"""A PNG in base64: decoded, resized, classified by a small convolutional network."""

import base64
import io

import numpy as np
from PIL import Image

from umbel import Tensor, inference_graph, predictor, transformer


@transformer
def decode(images: list) -> Tensor["uint8", "batch", "height", "width", 3]:
    opened = [Image.open(io.BytesIO(base64.b64decode(text))) for text in images]
    return np.stack([np.asarray(image.convert("RGB")) for image in opened])


@transformer
def resize(
    images: Tensor["uint8", "batch", "height", "width", 3],
) -> Tensor["float32", "batch", 3, 32, 32]:
    small = [Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR) for image in images]
    scaled = np.stack([np.asarray(image) for image in small]).astype(np.float32) / 255
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


network = predictor("pytorch", uri="../models/image.pt2")


@transformer
def label(scores: Tensor["batch", 10]) -> Tensor["int64", "batch"]:
    return scores.argmax(axis=1)


@inference_graph
def image(images):
    return label(network(resize(decode(images))))
