"""Trains the models and writes the requests with their answers: `benchmarks/models/`.

Every server reads these files, whatever environment it runs in, and must give these answers.
Everything is seeded: two runs write the same.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from peers.pipelines import PIPELINES

MODELS = Path(__file__).resolve().parent / "models"
REQUESTS = MODELS / "requests.json"
COUNT = 16
"""Requests of a workload. A server gets them in turn, so that no answer can be a constant."""


def main() -> int:
    MODELS.mkdir(exist_ok=True)
    if REQUESTS.exists() and "--again" not in sys.argv:
        return 0
    print("training the models of the benchmarks", flush=True)
    _train_sklearn()
    _train_torch()
    requests = {name: _examples(name) for name in PIPELINES}
    REQUESTS.write_text(json.dumps(requests), encoding="utf-8")
    return 0


def _train_sklearn() -> None:
    import skops.io
    from sklearn.datasets import load_digits, load_iris
    from sklearn.linear_model import LogisticRegression

    x, y = load_iris(return_X_y=True)
    skops.io.dump(LogisticRegression(max_iter=1000).fit(x, y), MODELS / "iris.skops")
    x, y = load_digits(return_X_y=True)
    scaled = (x / 16).astype(np.float32)
    skops.io.dump(LogisticRegression(C=1.0, max_iter=1000).fit(scaled, y), MODELS / "digits.skops")


def _train_torch() -> None:
    """Random weights do: what is measured is their cost, and that every server agrees."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    digits = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 10), nn.Softmax(dim=1),
    )  # fmt: skip
    image = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2048, 10),
    )  # fmt: skip
    mlp = nn.Sequential(
        nn.Linear(64, 2048), nn.ReLU(), nn.Linear(2048, 2048), nn.ReLU(),
        nn.Linear(2048, 2048), nn.ReLU(), nn.Linear(2048, 10),
    )  # fmt: skip
    images = PIPELINES["image"].nodes["prepare"]()(_pngs(64))
    with torch.inference_mode():  # without this, one class would win whatever the image
        image[-1].bias -= image(torch.from_numpy(images)).mean(dim=0)
    _export(digits, (64,), "digits")
    _export(image, (3, 32, 32), "image")
    _export(mlp, (64,), "mlp")


def _export(model: Any, shape: tuple[int, ...], name: str) -> None:
    import torch

    batch = torch.export.Dim("batch", min=1, max=4096)
    example = torch.zeros(2, *shape)
    exported = torch.export.export(model.eval(), (example,), dynamic_shapes=({0: batch},))
    torch.export.save(exported, MODELS / f"{name}.pt2")


def _examples(workload: str) -> list[dict[str, Any]]:
    run = PIPELINES[workload].loaded()
    made = []
    for index, row in enumerate(_inputs(workload)):
        if workload == "tensor":
            made.append(
                {"shape": row.shape, "seed": index, "first": [float(v) for v in run(row)[0, :8]]}
            )
            continue
        answer = run(PIPELINES[workload].read([row]))
        made.append({"instances": [row], "predictions": answer.tolist()})
    return made


def _inputs(workload: str) -> list[Any]:
    from sklearn.datasets import load_digits, load_iris

    if workload == "image":
        return _pngs(COUNT)
    if workload == "tensor":
        return [tensor_of(seed) for seed in range(2)]
    data = load_iris if workload.startswith(("chain", "wide")) else load_digits
    rows = data(return_X_y=True)[0]
    random = np.random.default_rng(0)
    return [row.tolist() for row in rows[random.permutation(len(rows))[:COUNT]]]


def _pngs(count: int) -> list[str]:
    random = np.random.default_rng(0)
    return [_png(random) for _ in range(count)]


def tensor_of(seed: int) -> Any:
    """One MiB of float32, ``[512, 512]``, from a seed."""
    return np.random.default_rng(seed).random((512, 512), dtype=np.float32)


def _png(random: np.random.Generator) -> str:
    """A 64x64 image of coloured blocks: about 9 kB in base64."""
    from PIL import Image

    blocks = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(blocks).resize((64, 64), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    sys.exit(main())
