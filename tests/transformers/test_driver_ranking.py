"""The driver-ranking example beside Feast and the model called by hand: from the repository,
through a feature server, as KServe's manifest, and on Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from feast_server import serve

EXAMPLE = Path(__file__).parents[2] / "examples" / "driver_ranking"
DRIVERS = [1001, 1002, 1005, 1010]
KSERVE = "sklearn-driver-transformer"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # Feast, called by hand, warns of itself
]


@pytest.fixture(scope="module")
def scores() -> list[float]:
    """Feast and the model, called by hand."""
    feast = pytest.importorskip("feast")
    import skops.io

    subprocess.run([sys.executable, str(EXAMPLE / "train.py")], check=True, capture_output=True)
    store = feast.FeatureStore(repo_path=str(EXAMPLE / "feature_repo"))
    features = store.get_online_features(
        features=store.get_feature_service("ranking"),
        entity_rows=[{"driver_id": driver} for driver in DRIVERS],
    ).to_df()
    model = skops.io.load(EXAMPLE / "models" / "ranking.skops")
    found: list[float] = model.predict(features[list(model.feature_names_in_)]).tolist()
    return found


@contextmanager
def running(*words: str, environment: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """``umbel run`` on free ports: the URL of each graph by its name."""
    server = subprocess.Popen(
        [sys.executable, "-m", "umbel", "run", *words, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=EXAMPLE,
        env={**os.environ, **(environment or {})},
    )
    urls: dict[str, str] = {}
    expected = sum(word.endswith((".py", ".yaml")) for word in words)
    try:
        assert server.stdout is not None
        for line in server.stdout:
            _, url = line.split()
            if url.startswith("http"):
                urls[url.rsplit("/", 1)[1]] = url
            if len(urls) == expected:
                break
        yield urls
    finally:
        server.terminate()
        server.wait(60)
        assert server.stdout is not None
        server.stdout.close()


def post(url: str, body: Any) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, data=json.dumps(body).encode(), timeout=60) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def check_answers(url: str, scores: list[float]) -> None:
    status, answer = post(url, {"instances": [[driver] for driver in DRIVERS]})
    assert status == 200, answer
    found = answer["predictions"]
    assert found["driver_id"] == DRIVERS
    assert found["score"] == [round(score, 6) for score in scores]
    best = sorted(range(len(scores)), key=lambda index: -scores[index])
    assert [found["rank"][index] for index in best] == [1, 2, 3, 4]
    status, answer = post(url, {"instances": [[77]]})
    assert (status, "driver_id=77" in answer["error"]) == (400, True)
    status, answer = post(url, {"instances": [["x"]]})
    assert (status, "expected an integer" in answer["error"]) == (400, True)


def test_through_a_feature_server_and_as_kserves_manifest(scores: list[float]) -> None:
    servers = serve(EXAMPLE / "feature_repo")
    server = next(servers)
    manifest = (EXAMPLE / "service.yaml").read_text()
    mine = EXAMPLE / "models" / "service.yaml"  # a folder that git ignores
    mine.write_text(
        manifest.replace("127.0.0.1:6566", server.url.removeprefix("http://")).replace(
            "models/ranking", "ranking"
        )
    )
    try:
        with running(
            "--local", "graph.py", str(mine), environment={"FEAST_SERVER": server.url}
        ) as urls:
            check_answers(urls["driver-ranking"], scores)
            predict = f"{urls[KSERVE]}/v1/models/{KSERVE}:predict"
            body = {"instances": [[driver] for driver in DRIVERS]}
            assert post(predict, body) == (200, {"predictions": pytest.approx(scores, rel=1e-6)})
            assert post(predict, {"instances": [[77]]})[0] == 400
            server.stop()
            start = time.monotonic()
            assert post(urls["driver-ranking"], body)[0] == 503
            assert post(predict, body)[0] == 503
            assert time.monotonic() - start < 10
    finally:
        servers.close()
        mine.unlink()


@pytest.mark.ray
def test_on_ray(scores: list[float]) -> None:
    with running("graph.py") as urls:
        check_answers(urls["driver-ranking"], scores)
