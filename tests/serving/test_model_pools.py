"""Pools of models in process: every protocol by the model's name, the repository, and memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopback_server import Client, serving
from umbel import inference_graph, model_pool
from umbel.graph.errors import DeclarationError, NotFound, NotReady

pytest.importorskip("skops")
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from skops.io import dump

ROWS, LABELS = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models that answer differently, and one that is broken."""
    home = tmp_path_factory.mktemp("models")
    dump(LogisticRegression(max_iter=500).fit(ROWS, LABELS), home / "species.skops")
    dump(LinearRegression().fit(ROWS[:, :2], ROWS[:, 3]), home / "width.skops")
    (home / "broken.skops").write_bytes(b"PK\x03\x04 and no more")
    return home


@pytest.fixture()
def client(folder: Path) -> Iterator[Client]:
    pool = model_pool("sklearn", name="flowers", models=str(folder))
    with serving(pool) as served:
        yield served


def tensor(rows: Any) -> dict[str, Any]:
    data = np.asarray(rows)
    return {
        "name": "x",
        "datatype": "FP64",
        "shape": list(data.shape),
        "data": data.ravel().tolist(),
    }


def test_each_model_answers_under_its_own_name(client: Client) -> None:
    v1 = client.post("/flowers/v1/models/species:predict", {"instances": ROWS[:5].tolist()})
    assert v1.json == {"predictions": LABELS[:5].tolist()}
    v2 = client.post(
        "/flowers/v2/models/width/infer", {"id": "7", "inputs": [tensor(ROWS[:3, :2])]}
    )
    assert (v2.json["model_name"], v2.json["id"]) == ("width", "7")
    assert v2.json["outputs"][0]["shape"] == [3]


def test_metadata_are_the_models_own(client: Client) -> None:
    shapes = {
        name: client.get(f"/flowers/v2/models/{name}").json["inputs"][0]["shape"]
        for name in ("species", "width")
    }
    assert shapes == {"species": [-1, 4], "width": [-1, 2]}


def test_nothing_is_loaded_before_it_is_asked_for(client: Client) -> None:
    def loaded() -> list[str]:
        (replica,) = client.get("/flowers").json["replicas"]
        assert 0 <= replica["bytes"] <= replica["budget"]
        names: list[str] = replica["models"]
        return names

    assert loaded() == []
    assert client.get("/flowers/v2/models/species/ready").json == {"name": "species", "ready": True}
    assert client.get("/flowers/v1/models").json == {"models": ["broken", "species", "width"]}
    assert loaded() == []
    client.get("/flowers/v2/models/species")
    assert loaded() == ["species"]


def test_a_model_that_cannot_be_loaded_fails_alone(client: Client) -> None:
    answer = client.post("/flowers/v1/models/broken:predict", {"instances": [[1, 2]]})
    assert answer.status == 503
    assert "broken.skops cannot be read as a skops file" in answer.error
    index = {row["name"]: row for row in client.post("/flowers/v2/repository/index", b"").json}
    assert index["broken"]["state"] == "UNAVAILABLE"
    assert "cannot be read" in index["broken"]["reason"]
    assert index["species"] == {"name": "species", "state": "READY", "reason": ""}
    ready = client.post("/flowers/v2/repository/index", {"ready": True}).json
    assert [row["name"] for row in ready] == ["species", "width"]
    good = client.post("/flowers/v1/models/species:predict", {"instances": ROWS[:1].tolist()})
    assert good.status == 200


def test_unload_and_load(client: Client) -> None:
    body = {"instances": ROWS[:1].tolist()}
    predict = "/flowers/v1/models/species:predict"
    assert client.post(predict, body).status == 200
    done = client.post("/flowers/v2/repository/models/species/unload", b"")
    assert done.json == {"name": "species", "unload": True}
    gone = client.post(predict, body)
    assert (gone.status, gone.error) == (503, "Model with name species is not ready.")
    assert client.get("/flowers/v2/models/species/ready").status == 503
    assert client.get("/flowers").json["replicas"][0]["models"] == []
    assert client.post("/flowers/v1/models/width:predict", {"instances": [[1, 2]]}).status == 200
    assert client.post("/flowers/v2/repository/models/species/load", b"").status == 200
    assert client.get("/flowers").json["replicas"][0]["models"] == ["width", "species"]
    assert client.post(predict, body).status == 200


def test_loading_what_cannot_be_loaded_says_why(client: Client) -> None:
    answer = client.post("/flowers/v2/repository/models/broken/load", b"")
    assert answer.status == 503
    assert "cannot be read as a skops file" in answer.error


def test_a_model_put_into_the_folder_is_found(folder: Path, client: Client) -> None:
    path = folder / "late.skops"
    assert client.get("/flowers/v2/models/late").status == 404
    dump(LogisticRegression(max_iter=500).fit(ROWS, LABELS == 0), path)
    try:
        assert client.post("/flowers/v2/repository/models/late/load", b"").status == 200
        answer = client.post("/flowers/v1/models/late:predict", {"instances": ROWS[:1].tolist()})
        assert answer.json == {"predictions": [True]}
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/v1/models/none:predict", 404, "Model with name none does not exist."),
        ("GET", "/v1/models/none", 404, "Model with name none does not exist."),
        ("GET", "/v2/models/none/ready", 404, "Model with name none does not exist."),
        ("POST", "/v2/repository/models/none/load", 404, "Model with name none does not exist."),
        ("POST", "/v2/repository/models/none/unload", 404, "Model with name none does not exist."),
        ("GET", "/v1/models/species:predict", 405, "takes POST"),
        ("POST", "/v2/models/species", 405, "takes GET"),
        ("GET", "/v2/repository/index", 405, "takes POST"),
        ("POST", "", 405, "takes GET"),
        ("GET", "/v2/models/species/versions/1", 501, "versioning"),
        ("GET", "/nowhere", 404, "/v2/models/NAME/infer"),
    ],
)
def test_mistakes(client: Client, method: str, path: str, status: int, words: str) -> None:
    answer = client.ask(method, f"/flowers{path}", {} if method == "POST" else None)
    assert answer.status == status
    assert words in answer.error


def test_a_wrong_body_is_the_clients_mistake(client: Client) -> None:
    answer = client.post("/flowers/v1/models/species:predict", {"instances": [[1, 2]]})
    assert answer.status == 400
    assert "4" in answer.error


def test_documents(client: Client) -> None:
    document = client.get("/flowers/openapi.json").json
    assert "/flowers/v2/models/{model}/infer" in document["paths"]
    assert client.get("/flowers/docs").headers["content-type"].startswith("text/html")


def test_a_pool_is_a_node_of_graphs(folder: Path) -> None:
    pool = model_pool("sklearn", name="flowers", models=str(folder))

    @inference_graph
    def chosen(x, who: str):
        return pool(x=x, model=who)

    assert chosen.local(ROWS[:3], "species").tolist() == LABELS[:3].tolist()
    assert pool.local(x=ROWS[:3], model="species").tolist() == LABELS[:3].tolist()
    with pytest.raises(NotFound, match="Model with name none does not exist"):
        chosen.local(ROWS[:3], "none")
    with pytest.raises(NotReady, match="cannot be read"):
        chosen.local(ROWS[:3], "broken")


def test_a_model_larger_than_the_memory_says_so(folder: Path) -> None:
    pool = model_pool("sklearn", name="flowers", models=str(folder), memory=100)
    with serving(pool) as client:
        answer = client.post("/flowers/v1/models/species:predict", {"instances": ROWS[:1].tolist()})
    assert answer.status == 503
    assert "all models of its pool together may take 100" in answer.error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"models": {}}, "models is empty"),
        ({"models": {"a/b": "x"}}, "'a/b' cannot be a model's name"),
        ({"models": "s3://bucket/models"}, "only a folder of this machine can be listed"),
        ({"models": "here", "memory": 0}, "memory is 0"),
        ({"models": "here", "name": ""}, 'needs name="…"'),
    ],
)
def test_declarations_that_make_no_sense(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DeclarationError, match=words):
        model_pool("sklearn", **{"name": "flowers", **options})


def test_what_it_holds_is_among_the_metrics(client: Client) -> None:
    for _ in range(3):
        client.post("/flowers/v1/models/species:predict", {"instances": ROWS[:1].tolist()})
    client.post("/flowers/v1/models/broken:predict", {"instances": ROWS[:1].tolist()})
    text = client.get("/flowers/metrics").body.decode()
    figures = {
        line.split("{")[0] + (":hit" if "hit" in line else ""): float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("umbel_pool_")
    }
    assert figures["umbel_pool_models"] == 1
    assert 0 < figures["umbel_pool_bytes"] <= figures["umbel_pool_budget_bytes"]
    assert figures["umbel_pool_requests_total:hit"] == 2
    assert figures["umbel_pool_requests_total"] == 2, "misses: one of each model"
    assert figures["umbel_pool_loads_total"] == 1
    assert figures["umbel_pool_load_failures_total"] == 1
    assert figures["umbel_pool_load_seconds_total"] > 0
    assert figures["umbel_pool_evictions_total"] == 0
