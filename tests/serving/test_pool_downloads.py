"""Downloads of a pool's models that fail: a clear 503, nothing left behind, the replica alive."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

import loopback_server
from loopback_server import Client
from umbel import model_pool
from umbel.nodes import resident_models
from umbel.nodes.storage import web_download
from web_server import Site, cut, serving

pytest.importorskip("skops")
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from skops.io import dump

ROWS, LABELS = load_iris(return_X_y=True)
BODY = {"instances": ROWS[:4].tolist()}


@pytest.fixture()
def site(tmp_path: Path) -> Iterator[Site]:
    path = tmp_path / "iris.skops"
    dump(LogisticRegression(max_iter=500).fit(ROWS, LABELS), path)
    with serving() as there:
        for name in ("good", "bad"):
            there.files[f"/{name}.skops"] = path.read_bytes()
        yield there


@pytest.fixture()
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UMBEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(web_download, "PAUSES_S", (0.0,) * 4)
    monkeypatch.setattr(resident_models, "FAILED_FOR_S", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture()
def client(site: Site, cache: Path) -> Iterator[Client]:
    models = {name: f"{site.url}/{name}.skops" for name in ("good", "bad")}
    with loopback_server.serving(model_pool("sklearn", name="far", models=models)) as served:
        yield served


def objects(cache: Path) -> list[str]:
    return [path.name for path in cache.glob("objects/*/*")]


def test_a_download_that_always_breaks_off(client: Client, site: Site, cache: Path) -> None:
    site.faults["/bad.skops"] = [cut(100)] * 50
    answer = client.post("/far/v1/models/bad:predict", BODY)
    assert answer.status == 503
    assert "'bad' cannot be loaded" in answer.error
    assert objects(cache) == []
    assert client.post("/far/v1/models/good:predict", BODY).json == {
        "predictions": LABELS[:4].tolist()
    }
    site.faults.clear()
    assert client.post("/far/v1/models/bad:predict", BODY).status == 200


def test_a_file_that_is_cut_for_good(client: Client, site: Site, cache: Path) -> None:
    site.files["/bad.skops"] = site.files["/bad.skops"][:1000]
    answer = client.post("/far/v2/models/bad/infer", {"inputs": []})
    assert answer.status == 503
    assert "cannot be read as a skops file" in answer.error
    assert client.post("/far/v1/models/good:predict", BODY).status == 200


def test_a_full_disk(client: Client, site: Site, cache: Path) -> None:
    """The kernel lets no file of this process grow beyond 2,000 bytes."""
    assert client.post("/far/v1/models/good:predict", BODY).status == 200
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        answer = client.post("/far/v1/models/bad:predict", BODY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.status == 503
    assert "was not kept" in answer.error
    assert len(objects(cache)) == 1
    assert not list(cache.rglob("*.part"))
    assert client.post("/far/v1/models/good:predict", BODY).status == 200
    assert client.post("/far/v1/models/bad:predict", BODY).status == 200
