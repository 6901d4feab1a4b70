"""Images as requests carry them, decoded with Pillow: base64, bytes, URLs, arrays.

The only file that imports Pillow. Nothing is decoded before its size is known from its header.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from umbel.graph.errors import InvalidInput
from umbel.nodes.descriptions import clip, describe
from umbel.nodes.storage.url_policy import ENVIRONMENT_FLAG, TRUSTED, UNTRUSTED, UrlPolicy
from umbel.nodes.storage.web_read import read_url
from umbel.transformers.image_limits import ImageLimits

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""What is read. Pillow knows many more, whose decoders see little use."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
"""Bytes that are a text of base64. No image file is: each begins with other bytes."""

_HOLDERS = ("b64", "image", "image_bytes", "data", "url")


def decode_image(
    value: Any, limits: ImageLimits | None = None, *, mode: str = "RGB", what: str = "image"
) -> Image.Image:
    """One image in Pillow's ``mode``, upright by its EXIF orientation; of an animation the first
    frame.

    ``value``: bytes of a file, base64 text, ``{"b64": …}``, ``{"image": …}``, an http(s) URL, a
    ``data:`` URL, or an array ``[height, width]`` or ``[height, width, 3]`` of 0 to 255. Raises
    InvalidInput: it is no image, or over the limits.
    """
    limits = limits or ImageLimits()
    while isinstance(value, Mapping):
        held = [name for name in _HOLDERS if name in value]
        if len(held) != 1:
            raise InvalidInput(f'{what}: expected {{"b64": …}} or {{"url": …}}, {describe(value)}')
        value = value[held[0]]
    if isinstance(value, (list, tuple, np.ndarray)) and not _is_scalar(value):
        return _from_array(value, limits, mode, what)
    return _from_file(_file(_scalar(value), limits, what), limits, mode, what)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, np.ndarray) and not value.ndim


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) or _is_scalar(value) else value


def _file(value: Any, limits: ImageLimits, what: str) -> bytes:
    if isinstance(value, bytes) and value[:8].startswith((b"http://", b"https://", b"data:")):
        value = value.decode("latin-1")
    elif isinstance(value, bytes) and _BASE64.fullmatch(value):
        value = value.decode("ascii")  # V2's JSON cannot carry the file itself
    if isinstance(value, (bytes, bytearray)):
        content = bytes(value)
    elif not isinstance(value, str):
        raise InvalidInput(f"{what}: expected base64, a URL or bytes, got {describe(value)}")
    elif value.startswith(("http://", "https://")):
        return read_url(value, _policy(), most=limits.bytes, timeout_s=limits.url_timeout_s)
    else:
        content = _from_base64(value, limits, what)
    if len(content) > limits.bytes:
        raise InvalidInput(f"{what}: {len(content):,} bytes, at most {limits.bytes:,}")
    return content


def _policy() -> UrlPolicy:
    """A URL of a request is a stranger's: public addresses only, unless all are allowed."""
    return TRUSTED if os.environ.get(ENVIRONMENT_FLAG) == "any" else UNTRUSTED


def _from_base64(text: str, limits: ImageLimits, what: str) -> bytes:
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise InvalidInput(f"{what}: expected data:image/…;base64,…, got {clip(head)!r}")
    if len(text) * 3 // 4 > limits.bytes:
        raise InvalidInput(f"{what}: {len(text) * 3 // 4:,} bytes, at most {limits.bytes:,}")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"{what}: {clip(text)!r} is no base64 ({error})") from None


def _from_file(content: bytes, limits: ImageLimits, mode: str, what: str) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that our own limit allows
        try:
            image: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise InvalidInput(f"{what}: too many pixels: {error}") from None
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            start = content[:8]
            raise InvalidInput(
                f"{what}: no image of a known format ({', '.join(FORMATS)}): it starts with "
                f"{start!r}"
            ) from error
        width, height = image.size
        if width * height > limits.pixels:
            raise InvalidInput(
                f"{what}: {width:,} × {height:,} pixels, at most {limits.pixels:,} in all"
            )
        try:
            image.load()
            return ImageOps.exif_transpose(image).convert(mode)
        except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:
            raise InvalidInput(f"{what}: the {image.format} file is broken: {error}") from None


def _from_array(value: Any, limits: ImageLimits, mode: str, what: str) -> Image.Image:
    try:
        array = np.asarray(value, np.float64)
    except (ValueError, TypeError):
        raise InvalidInput(f"{what}: expected rows of pixels, got {describe(value)}") from None
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InvalidInput(
            f"{what}: expected pixels [height, width] or [height, width, 3], "
            f"got shape {list(array.shape)}"
        )
    if not array.size or array.shape[0] * array.shape[1] > limits.pixels:
        raise InvalidInput(f"{what}: from 1 to {limits.pixels:,} pixels, got {array.shape[:2]}")
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 255:
        raise InvalidInput(f"{what}: expected pixels of 0 to 255")
    return Image.fromarray(array.astype(np.uint8)).convert(mode)


def resized(image: Image.Image, size: int | tuple[int, int]) -> Image.Image:
    """Bilinear, smoothed where it gets smaller. A number is the shorter side's length, the other
    keeps the proportions; a pair is ``(height, width)``."""
    if isinstance(size, int):
        width, height = image.size
        short = min(width, height)
        wanted = (max(1, size * width // short), max(1, size * height // short))
    else:
        wanted = (size[1], size[0])
    return image if image.size == wanted else image.resize(wanted, Image.Resampling.BILINEAR)


def cropped(image: Image.Image, size: int | tuple[int, int]) -> Image.Image:
    """The middle; black beyond the edges of an image that is smaller."""
    height, width = (size, size) if isinstance(size, int) else size
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))
