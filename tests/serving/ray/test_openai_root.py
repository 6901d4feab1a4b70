"""OpenAI's API at the server's root on Ray: the body's model names the graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import event_client
from free_ports import free_port
from loopback_server import Client
from umbel_run import umbel_run

pytest.importorskip("ray.serve")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

FILE = Path(__file__).parents[2] / "graphs" / "talkers.py"
ROOT = "/openai/v1"
PAUSE_S = 0.06
"""Seconds between two words."""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    port = free_port()
    with umbel_run([FILE], "--port", str(port), "--no-grpc", urls=3):
        client = Client(port)
        for name in ("loud", "unsure", "silent"):
            first = client.get(f"/{name}/v2/health/ready")
            assert (first.status, first.headers.get("server")) == (200, None), (
                "ready was told while requests still took the way through Ray's own proxy"
            )
        yield client


def test_the_models_of_all_graphs(client: Client) -> None:
    listed = client.get(f"{ROOT}/models")
    assert listed.status == 200
    assert [one["id"] for one in listed.json["data"]] == ["loud", "unsure"]
    assert client.get(f"{ROOT}/models/loud").json["id"] == "loud"


@pytest.mark.parametrize(("model", "mark"), [("loud", "!"), ("unsure", "?")])
def test_a_completion(client: Client, model: str, mark: str) -> None:
    body = {"model": model, "prompt": "a b"}
    answer = client.post(f"{ROOT}/completions", body, x_request_id="r")
    assert (answer.status, answer.json) == (200, {"text": f"a b{mark}"})
    assert answer.headers["x-request-id"] == "r"
    long = {**body, "prompt": "a " * 20, "stream": True}
    found = list(event_client.events(client.port, f"{ROOT}/completions", long))
    assert [event.data for event in found] == [{"text": f"a{mark}"}] * 20 + ["[DONE]"]
    assert found[-1].seconds - found[0].seconds > 20 * PAUSE_S / 2, "the stream was held back"


def test_what_is_wrong_is_told_in_openai_s_form(client: Client) -> None:
    refused = client.post(f"{ROOT}/completions", {"model": "loud", "prompt": "refused"})
    assert (refused.status, refused.json["error"]["message"]) == (400, "no such word")
    unknown = client.post(f"{ROOT}/completions", {"model": "silent", "prompt": "x"})
    assert unknown.status == 404
    assert "there are: loud, unsure" in unknown.json["error"]["message"]
    assert client.post(f"{ROOT}/completions", {"prompt": "x"}).status == 400
    assert client.post(f"{ROOT}/completions", b"{").status == 400
    assert client.get(f"{ROOT}/models/nobody").status == 404
