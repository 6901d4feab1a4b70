"""Images of requests become the tensors that Pillow and arithmetic give; what is no image, or
too large a one, is refused before it is decoded."""

from __future__ import annotations

import base64
import io
import resource
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest

from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.transformers.image import IMAGENET, Preparation, image_tensors
from umbel.transformers.image_limits import ImageLimits
from umbel.transformers.payload_steps import ImageTransformer

Image = pytest.importorskip("PIL.Image")

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)


def file_of(pixels: Any, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


PNG = file_of(PIXELS)
B64 = base64.b64encode(PNG).decode()
PLAIN = Preparation(layout="nhwc", dtype="uint8")


def grey_png(side: int) -> bytes:
    """A PNG whose header says ``side`` × ``side`` pixels, with the first hundred lines."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    packer = zlib.compressobj(9)
    lines = b"".join(packer.compress(bytes(side + 1)) for _ in range(100)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*part) for part in ((b"IHDR", head), (b"IDAT", lines), (b"IEND", b""))
    )


@pytest.mark.parametrize(
    "value",
    [
        PNG,
        B64,
        {"b64": B64},
        {"image": {"b64": B64}},
        {"image_bytes": {"b64": B64}},
        f"data:image/png;base64,{B64}",
        PIXELS,
        PIXELS.tolist(),
        np.array(B64, object),
    ],
)
def test_every_way_to_send_an_image_gives_its_pixels(value: Any) -> None:
    assert (PLAIN.tensors([value])[0] == PIXELS).all()


def test_resize_crop_and_normalise_are_pillows_and_arithmetic() -> None:
    found = Preparation(**{**IMAGENET, "resize": 32, "crop": 28}).tensors([PNG, B64])
    image = Image.fromarray(PIXELS).resize((48, 32), Image.Resampling.BILINEAR)
    values = np.asarray(image.crop((10, 2, 38, 30)), np.float32) / 255
    expected = (values - np.float32(IMAGENET["mean"])) / np.float32(IMAGENET["std"])
    assert found.shape == (2, 3, 28, 28)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], expected.transpose(2, 0, 1), rtol=1e-5, atol=1e-6)
    assert (found[0] == found[1]).all()


def test_a_file_is_turned_upright_and_other_modes_become_the_asked_one() -> None:
    out = io.BytesIO()
    turned = Image.fromarray(PIXELS)
    exif = turned.getexif()
    exif[0x0112] = 6  # turn it by 90 degrees to see it
    turned.save(out, "PNG", exif=exif)
    assert PLAIN.tensors([out.getvalue()]).shape == (1, 60, 40, 3)
    assert Preparation(mode="L").tensors([PNG]).shape == (1, 1, 40, 60)
    palette = io.BytesIO()
    Image.fromarray(PIXELS).convert("P").save(palette, "GIF")
    assert PLAIN.tensors([palette.getvalue()]).shape == (1, 40, 60, 3)


def test_no_images_are_an_empty_tensor() -> None:
    assert Preparation(crop=8).tensors([]).shape == (0, 3, 8, 8)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("####", "is no base64"),
        (base64.b64encode(b"hello, world").decode(), "no image of a known format"),
        (PNG[:2000], "the PNG file is broken"),
        (b"", "no image of a known format"),
        (5, "expected base64, a URL or bytes"),
        (None, "got null"),
        ({"x": B64}, 'expected {"b64": …}'),
        ("file:///etc/passwd", "is no base64"),
        ("http://127.0.0.1:1/x.png", "private address"),
        ("http://169.254.169.254/latest", "link-local"),
        ([[1, 2], [3]], "expected rows of pixels"),
        ([[300, 2], [3, 4]], "pixels of 0 to 255"),
        (np.zeros((2, 2, 7)), "got shape [2, 2, 7]"),
    ],
)
def test_what_is_no_image_is_the_clients_mistake(value: Any, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        PLAIN.tensors([PNG, value])
    assert said in str(caught.value)
    assert "image 1" in str(caught.value) or "http" in said or "://" in str(value)


def test_30000_by_30000_pixels_are_refused_at_once_without_their_memory() -> None:
    bomb = base64.b64encode(grey_png(30_000)).decode()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    with pytest.raises(InvalidInput, match="pixels"):
        Preparation(resize=224).tensors([{"b64": bomb}])
    assert time.monotonic() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_the_limits() -> None:
    small = Preparation(limits=ImageLimits(pixels=1000, bytes=100_000, images=2))
    with pytest.raises(InvalidInput, match="at most 1,000 in all"):
        small.tensors([PNG])
    with pytest.raises(InvalidInput, match="3 images, at most 2"):
        small.tensors([PNG] * 3)
    with pytest.raises(InvalidInput, match="at most 100,000"):
        small.tensors(["A" * 200_000])
    with pytest.raises(InvalidInput, match="of one size"):
        PLAIN.tensors([PNG, PIXELS[:20]])


@pytest.fixture()
def web() -> Iterator[str]:
    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/x.png"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(PNG if found else b"")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_url_is_fetched_where_the_policy_allows_it(
    web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMBEL_MODEL_URLS", "any")
    assert (PLAIN.tensors([{"url": f"{web}/x.png"}])[0] == PIXELS).all()
    with pytest.raises(InvalidInput, match="answers 404"):
        PLAIN.tensors([f"{web}/y.png"])
    with pytest.raises(InvalidInput, match="more than 100 bytes"):
        Preparation(limits=ImageLimits(bytes=100)).tensors([f"{web}/x.png"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"mode": "CMYK"}, "mode is one of"),
        ({"resize": 0}, "resize is a number of pixels"),
        ({"mean": (1.0,)}, "mean has 1 values, and RGB 3"),
        ({"std": (0.0, 1.0, 1.0)}, "std holds 0"),
        ({"sizes": 3}, "sizes"),
    ],
)
def test_a_wrong_declaration_names_its_line(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=r"test_image\.py:\d+") as caught:
        image_tensors(**asked)
    assert said in str(caught.value)


def test_the_class_for_yaml() -> None:
    made = ImageTransformer(resize="32", crop="28", labels="cat,dog", top_k="1")
    sent = made.preprocess({"instances": [{"image": {"b64": B64}}]})
    assert np.array(sent["instances"]).shape == (1, 3, 28, 28)
    best = made.postprocess({"predictions": [[0.25, 0.75]]})
    assert best == {"predictions": [[{"label": "dog", "score": 0.75}]]}
    v2 = ImageTransformer(protocol="v2")
    tensor = {"name": "x", "shape": [1], "datatype": "BYTES", "data": [B64]}
    (out,) = v2.preprocess({"inputs": [tensor]})["inputs"]
    assert (out["name"], out["shape"], out["datatype"]) == ("INPUT__0", [1, 3, 224, 224], "FP32")
    with pytest.raises(InvalidInput, match="instances"):
        made.preprocess({"images": []})
    with pytest.raises(DeclarationError, match="--crop: expected a whole number"):
        ImageTransformer(crop="x")


def test_base64_in_a_tensor_of_bytes_is_the_file() -> None:
    import base64
    import io

    from PIL import Image

    from umbel.transformers.image_decoding import decode_image

    file = io.BytesIO()
    Image.new("RGB", (3, 2), (9, 8, 7)).save(file, "PNG")
    found = decode_image(base64.b64encode(file.getvalue()))
    assert (found.size, found.getpixel((0, 0))) == ((3, 2), (9, 8, 7))
