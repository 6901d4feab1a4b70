"""KServe's logger: what a service is asked and answers reaches a sink as CloudEvents."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnxruntime")
import numpy as np
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression

from loopback_server import serving
from umbel.graph import passes
from umbel.graph.inference import infer
from umbel.k8s.translate import translate

Event = tuple[dict[str, str], bytes]
SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: sums, namespace: team, annotations: {owner: ann}}
spec:
  predictor:
    logger: {mode: MODE, url: "URL", metadataHeaders: [X-User], metadataAnnotations: [owner]}
    onnx: {storageUri: model.onnx}
"""


@pytest.fixture()
def sink() -> Iterator[tuple[str, list[Event]]]:
    seen: list[Event] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/log", seen
    server.shutdown()
    thread.join()
    server.server_close()


def plan(home: Path, mode: str, url: str) -> Any:
    rows = np.arange(6, dtype="float32").reshape(3, 2)
    model = LinearRegression().fit(rows, rows.sum(1))
    (home / "model.onnx").write_bytes(to_onnx(model, rows[:1]).SerializeToString())
    text = SERVICE.replace("MODE", mode).replace("URL", url)
    found = translate([(str(home / "a.yaml"), text)])
    assert not found.findings
    return passes.plan(infer(found.program))


def arrived(seen: list[Event], many: int) -> list[Event]:
    end = time.monotonic() + 10
    while len(seen) < many and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.1)
    assert len(seen) == many
    return seen


PREDICT = "/sums/v1/models/sums:predict"


def test_request_and_response_with_one_id(tmp_path: Path, sink: tuple[str, list[Event]]) -> None:
    url, seen = sink
    with serving(plan=plan(tmp_path, "all", url)) as client:
        body = b'{"instances": [[1, 2]]}'
        headers = {"x-user": "ann", "authorization": "hush", "content-type": "application/json"}
        answer = client.ask("POST", PREDICT, body, headers)
        assert answer.status == 200
        kinds = {
            event["ce-type"].rpartition(".")[2]: (event, sent) for event, sent in arrived(seen, 2)
        }
        assert kinds["request"][1] == body
        assert kinds["response"][1] == answer.body
        asked, answered = kinds["request"][0], kinds["response"][0]
        assert asked["ce-id"] == answered["ce-id"]
        assert asked["ce-specversion"] == "1.0"
        assert asked["content-type"] == answered["content-type"] == "application/json"
        named = ("inferenceservicename", "namespace", "component")
        assert [asked[f"ce-{key}"] for key in named] == ["sums", "team", "predictor"]
        assert asked["ce-metadata"] == '{"X-User":["ann"]}'
        assert asked["ce-annotations"] == '{"owner":"ann"}'
        assert "hush" not in str(seen)


@pytest.mark.parametrize(("mode", "good", "bad"), [("request", 1, 1), ("response", 1, 0)])
def test_modes_and_answers_that_are_none(
    tmp_path: Path, sink: tuple[str, list[Event]], mode: str, good: int, bad: int
) -> None:
    url, seen = sink
    with serving(plan=plan(tmp_path, mode, url)) as client:
        named = {"ce-id": "mine", "content-type": "application/json"}
        assert client.ask("POST", PREDICT, b'{"instances": [[1, 2]]}', named).status == 200
        arrived(seen, good)
        assert seen[0][0]["ce-id"] == "mine"
        assert client.post(PREDICT, {"instances": [["x"]]}).status == 400
        assert client.get("/sums/v1/models/sums").status == 200
        arrived(seen, good + bad)


def test_a_sink_that_is_gone_changes_no_answer(tmp_path: Path) -> None:
    with serving(plan=plan(tmp_path, "all", "http://127.0.0.1:9/gone")) as client:
        for _ in range(5):
            assert client.post(PREDICT, {"instances": [[1, 2]]}).status == 200


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("predictor: {logger: {mode: all, url: 's3://b'}, MODEL}", "spec.predictor.logger.url"),
        ("predictor: {logger: {mode: all}, MODEL}", "spec.predictor.logger"),
        (
            "transformer: {containers: [{image: x, command: ['a:B']}]}\n"
            "  predictor: {logger: {mode: all, url: 'http://s'}, MODEL}",
            "spec.predictor.logger",
        ),
    ],
)
def test_what_cannot_be_logged_is_told(spec: str, path: str) -> None:
    text = (
        SERVICE.split("spec:", maxsplit=1)[0]
        + "spec:\n  "
        + spec.replace("MODEL", "onnx: {storageUri: m}")
    )
    (told,) = [one for one in translate([("/a.yaml", text)]).findings if one.code == "UMB-K517"]
    assert told.place.path.startswith(path)
    assert told.fix
