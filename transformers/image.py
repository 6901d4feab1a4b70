"""``image_tensors(...)``: images of a request as one array for a model.

pixels = image_tensors(**IMAGENET)

@inference_graph
def classify(images):
    return top_k(network(pixels(images)), k=5)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

import numpy as np

from umbel.graph.annotations import Tensor
from umbel.graph.definitions import ClassDefinition, NodeDefinition
from umbel.graph.errors import DeclarationError, InvalidInput, MissingExtra
from umbel.graph.options import NodeOptions
from umbel.graph.tracing import caller_place
from umbel.nodes.descriptions import describe
from umbel.transformers.image_limits import ImageLimits

Size = int | tuple[int, int]
Layout = Literal["nchw", "nhwc"]
_CHANNELS = {"RGB": 3, "L": 1}
_LARGEST_SIDE = 8192

IMAGENET: dict[str, Any] = {
    "resize": 256,
    "crop": 224,
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}
"""What networks trained on ImageNet take."""


@dataclass(frozen=True)
class Preparation:
    """What is done to each image, in this order. ``mode``: ``RGB``, or ``L`` for grey values.
    ``resize``: the shorter side, or ``(height, width)``. ``crop``: the middle. Values are divided
    by 255, ``mean`` is taken off and the result divided by ``std``, one for each channel.
    ``dtype="uint8"`` leaves them as they are."""

    resize: Size | None = None
    crop: Size | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    mode: str = "RGB"
    layout: Layout = "nchw"
    dtype: Literal["float32", "uint8"] = "float32"
    limits: ImageLimits = field(default_factory=ImageLimits)

    def check(self) -> None:
        """Raise DeclarationError for what cannot be done."""
        if self.mode not in _CHANNELS:
            raise DeclarationError(f"mode is one of {list(_CHANNELS)}, not {self.mode!r}")
        if self.layout not in get_args(Layout):
            raise DeclarationError(f"layout is one of {get_args(Layout)}, not {self.layout!r}")
        for name, size in (("resize", self.resize), ("crop", self.crop)):
            sides = () if size is None else (size,) if isinstance(size, int) else size
            if not all(isinstance(s, int) and 0 < s <= _LARGEST_SIDE for s in sides):
                raise DeclarationError(
                    f"{name} is a number of pixels or (height, width), each of 1 to "
                    f"{_LARGEST_SIDE}, not {size!r}"
                )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values and len(values) != _CHANNELS[self.mode]:
                raise DeclarationError(
                    f"{name} has {len(values)} values, and {self.mode} {_CHANNELS[self.mode]}"
                )
        if 0 in self.std or (self.dtype == "uint8" and (self.mean or self.std)):
            raise DeclarationError('std holds 0, or mean and std are given with dtype="uint8"')

    def tensors(self, values: Sequence[Any]) -> Any:
        """The images as one array, ``[batch, channels, height, width]`` or as ``layout`` says.

        Raises InvalidInput: one is no image, over the limits, or, without ``resize`` and ``crop``
        that make them equal, of another size than the first.
        """
        from umbel.transformers import image_decoding as pillow

        if len(values) > self.limits.images:
            raise InvalidInput(f"{len(values)} images, at most {self.limits.images}")
        arrays: list[Any] = []
        pixels = 0
        for number, value in enumerate(values):
            image = pillow.decode_image(value, self.limits, mode=self.mode, what=f"image {number}")
            image = image if self.resize is None else pillow.resized(image, self.resize)
            image = image if self.crop is None else pillow.cropped(image, self.crop)
            pixels += image.width * image.height
            if pixels > max(self.limits.pixels, len(values) * 1024 * 1024):
                raise InvalidInput(f"more than {self.limits.pixels:,} pixels in one request")
            array = self._normalised(np.asarray(image))
            if arrays and array.shape != arrays[0].shape:
                raise InvalidInput(
                    f"image {number}: {image.width} × {image.height} pixels, unlike image 0: "
                    "all images of a request must be of one size"
                )
            arrays.append(array)
        return np.stack(arrays) if arrays else self._none()

    def _normalised(self, array: Any) -> Any:
        if array.ndim == 2:
            array = array[:, :, None]
        if self.dtype == "float32":
            array = array.astype(np.float32) / np.float32(255)
            if self.mean:
                array -= np.array(self.mean, np.float32)
            if self.std:
                array /= np.array(self.std, np.float32)
        return array if self.layout == "nhwc" else np.ascontiguousarray(array.transpose(2, 0, 1))

    def _none(self) -> Any:
        size = self.crop or self.resize or 0
        height, width = (size, size) if isinstance(size, int) else size
        channels = _CHANNELS[self.mode]
        nhwc = self.layout == "nhwc"
        return np.zeros(
            (0, height, width, channels) if nhwc else (0, channels, height, width), self.dtype
        )


def image_tensors(
    *,
    limits: ImageLimits | None = None,
    name: str = "",
    options: NodeOptions | None = None,
    **preparation: Any,
) -> NodeDefinition:
    """A node: images in, one float32 array out. The arguments are the fields of ``Preparation``.

    Images come as base64 (text or ``{"b64": …}``), as URLs, as bytes (a V2 tensor of BYTES) or
    as arrays of pixels. URLs may name public addresses only, unless the server is started with
    ``UMBEL_MODEL_URLS=any``.
    """
    place = caller_place()
    try:
        asked = Preparation(limits=limits or ImageLimits(), **preparation)
        asked.check()
    except (DeclarationError, TypeError) as error:
        raise DeclarationError(f"{place}: {error}") from None
    made = ClassDefinition(
        "transformer", ImageTensors, name=name, options=options or NodeOptions(), place=place
    )
    return made(asked)


class ImageTensors:
    """The code of an ``image_tensors`` node."""

    def __init__(self, preparation: Preparation) -> None:
        self._preparation = preparation
        try:
            import umbel.transformers.image_decoding  # noqa: F401  Pillow, before the first call
        except ModuleNotFoundError as error:
            raise MissingExtra("image_tensors", error.name or "pillow", "image") from error

    def transform(self, images: Any) -> Annotated[Any, Tensor["batch", "i", "j", "k"]]:
        """The images as one array."""
        return self._preparation.tensors(_several(images))


def _several(images: Any) -> list[Any]:
    """A list of images; one image alone is a list of one."""
    if isinstance(images, np.ndarray):
        if images.dtype.kind in "OSU":
            flat: list[Any] = images.reshape(-1).tolist()
            return flat
        return list(images) if images.ndim > 3 or _is_batch(images) else [images]
    if isinstance(images, (str, bytes, dict)):
        return [images]
    if isinstance(images, (list, tuple)):
        return list(images)
    raise InvalidInput(f"expected images, got {describe(images)}")


def _is_batch(array: Any) -> bool:
    """``[batch, height, width]`` of grey values, not ``[height, width, channels]``."""
    return array.ndim == 3 and array.shape[2] not in (3, 4)
