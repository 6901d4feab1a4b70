"""OpenAI's API over classes that have its methods, named and shaped as in KServe."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from event_client import events
from loopback_server import Client, serving
from umbel import InvalidInput, inference_graph, predictor, transformer
from umbel.cli import files
from umbel.graph import passes
from umbel.serving.mount import Mount

TALK = "/talk/openai/v1"


@predictor
class Talker:
    """KServe's methods, in each of their forms."""

    def predict(self, x: str) -> str:
        return x

    async def create_chat_completion(self, request, raw_request=None, context=None):
        if request.messages[0].content == "refuse":
            return {"error": {"message": "no", "type": "x", "param": None, "code": "429"}}
        tenant = context.get("x-tenant", "")

        async def chunks():
            yield f"data: {json.dumps({'tenant': tenant, 'top_k': request.top_k})}\n\n"
            yield {"n": 2}
            yield "data: [DONE]\n\n"

        return chunks()

    def create_completion(self, request):
        if request.prompt == "refused":
            raise InvalidInput("this prompt is refused")
        if request.prompt == "broken":
            raise ValueError("a secret")
        if not request.stream:
            return {"object": "text_completion", "choices": []}
        return self._words(request.prompt)

    def _words(self, prompt):
        for word in prompt.split():
            if word == "bad":
                raise ValueError("a secret")
            yield {"choices": [{"text": word}]}
            time.sleep(0.05)


@transformer
def cleaned(text: str) -> str:
    return text


@inference_graph
def talk(x):
    return Talker()(x)


@inference_graph
def steps(x):
    return Talker()(cleaned(x))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(talk, steps) as client:
        yield client


def told(client: Client, path: str, body: object, **headers: str) -> list[Any]:
    return [event.data for event in events(client.port, path, body, **headers)]


def refusal(client: Client, path: str, body: object) -> tuple[int, str, str | None]:
    answer = client.post(path, body)
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == str(answer.status)
    return answer.status, error["message"], error["param"]


def test_a_graph_with_further_steps_has_no_such_paths(client: Client) -> None:
    body = {"model": "steps", "prompt": "x"}
    assert client.post("/steps/openai/v1/completions", body).status == 404
    assert [one["id"] for one in client.get("/openai/v1/models").json["data"]] == ["talk"]


def test_a_class_with_kserve_s_methods(client: Client) -> None:
    messages = [{"role": "user", "content": "hello"}]
    body = {"model": "talk", "messages": messages, "top_k": 5, "stream": True}
    found = told(client, f"{TALK}/chat/completions", body, x_tenant="a")
    assert found == [{"tenant": "a", "top_k": 5}, {"n": 2}, "[DONE]"]
    refused = {**body, "messages": [{"role": "user", "content": "refuse"}]}
    assert client.post(f"{TALK}/chat/completions", refused).status == 429
    whole = client.post(f"{TALK}/completions", {"model": "talk", "prompt": "x"})
    assert whole.json == {"object": "text_completion", "choices": []}
    assert refusal(client, f"{TALK}/completions", {"model": "talk", "prompt": "refused"}) == (
        400, "this prompt is refused", None,
    )  # fmt: skip
    status, message, _ = refusal(
        client, f"{TALK}/completions", {"model": "talk", "prompt": "broken"}
    )
    assert status == 500
    assert "secret" not in message


def test_a_class_streams_as_it_yields(client: Client) -> None:
    body = {"model": "talk", "prompt": "a b bad c", "stream": True}
    found = list(events(client.port, f"{TALK}/completions", body))
    assert [one.data["choices"][0]["text"] for one in found[:2]] == ["a", "b"]
    assert found[1].seconds - found[0].seconds > 0.02
    assert "node 'Talker' failed" in found[2].data["error"]["message"]
    assert len(found) == 3


@pytest.mark.parametrize("mounted", ["/", "/namespace/talk"])
def test_at_a_host_of_its_own(mounted: str) -> None:
    """Where the operator mounts a service, the paths have KServe's form below its URL. A route
    with a path (``/serving/namespace/talk``) takes that off, and asks as the host does."""
    with serving(talk, inner_path=Mount("talk", mounted).inner_path) as client:
        base = f"{mounted.rstrip('/')}/openai/v1"
        (model,) = client.get(f"{base}/models").json["data"]
        assert model["id"] == "talk"
        whole = client.post(f"{base}/completions", {"model": "talk", "prompt": "x"})
        assert whole.json == {"object": "text_completion", "choices": []}
        messages = [{"role": "user", "content": "hello"}]
        body = {"model": "talk", "messages": messages, "top_k": 5, "stream": True}
        assert told(client, f"{base}/chat/completions", body)[-1] == "[DONE]"


SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: speaker
  annotations: {umbel.dev/predictor-class: "speaking_model:Speaker"}
spec:
  predictor:
    containers: [{name: kserve-container, image: speaker}]
"""

CODE = """
class Speaker:
    def __init__(self, name=None): pass
    async def create_completion(self, request, raw_request=None, context=None):
        return {"text": request.prompt.upper()}
"""


def test_a_service_of_kserve_s_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "speaking_model.py").write_text(CODE)
    (tmp_path / "service.yaml").write_text(SERVICE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    plan = passes.plan(files.load([str(tmp_path / "service.yaml")]).or_raise().program)
    with serving(plan=plan) as client:
        body = {"model": "speaker", "prompt": "hello"}
        for root in ("/speaker", ""):
            answer = client.post(f"{root}/openai/v1/completions", body)
            assert answer.json == {"text": "HELLO"}, answer
        assert client.post("/speaker/v1/models/speaker:predict", {"instances": []}).status == 501
