"""Components in containers, on Ray: the server of each is a process of its own, as in a pod."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from free_ports import free_port
from loopback_server import Client
from umbel_run import umbel_run

pytest.importorskip("ray.serve")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

SERVICES = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: before}
spec:
  predictor: {containers: [{name: kserve-container, image: x, command: ["sum_of_mine:Sum"]}]}
  transformer: {containers: [{name: kserve-container, image: "me/t:1"}]}
"""

CLASS = """
class Sum:
    def predict(self, payload):
        return {"predictions": [sum(payload["instances"])]}
"""


class Transformer(BaseHTTPRequestHandler):
    """Doubles what it is asked and calls the predictor, where KServe's argument says."""

    protocol_version = "HTTP/1.1"
    predictor_host = ""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "instances" not in body:
            return self._reply(422, {"error": "no instances", "who": self.headers["x-who"]})
        doubled = {"instances": [2 * one for one in body["instances"]]}
        url = f"http://{self.predictor_host}{self.path}"
        request = Request(url, json.dumps(doubled).encode(), {"content-type": "application/json"})
        with urlopen(request, timeout=30) as reply:
            return self._reply(200, {**json.load(reply), "path": self.path})

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number in range(3):
            data = f"data: {number}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def _reply(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("containers")
    (folder / "f.yaml").write_text(SERVICES)
    (folder / "sum_of_mine.py").write_text(CLASS)
    port = free_port()
    Transformer.predictor_host = f"127.0.0.1:{port}/before/components/before-predictor"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Transformer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    given = f"before-transformer=http://127.0.0.1:{server.server_port}"
    words = ("--port", str(port), "--no-grpc", "--service", given)
    try:
        with umbel_run([folder / "f.yaml"], *words, urls=1):
            yield Client(port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_request_goes_through_the_container_to_umbels_predictor(client: Client) -> None:
    path = "/v1/models/before:predict"
    answer = client.post(f"/before{path}", {"instances": [1, 2]})
    assert (answer.status, answer.json) == (200, {"predictions": [6], "path": path})
    part = client.post(f"/before/components/before-predictor{path}", {"instances": [1, 2]})
    assert part.json == {"predictions": [3]}
    named = client.post(f"/before{path}", {"instances": [1, 2]}, host="before-predictor.default")
    assert named.json == {"predictions": [3]}


def test_errors_headers_and_streams_pass(client: Client) -> None:
    refused = client.post("/before/any/path", {"x": 1}, x_who="me")
    assert (refused.status, refused.json) == (422, {"error": "no instances", "who": "me"})
    events = client.get("/before/events")
    assert events.headers["content-type"] == "text/event-stream"
    assert events.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
