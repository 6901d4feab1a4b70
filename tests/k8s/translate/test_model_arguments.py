"""What the arguments of a model's server come to without that server."""

from __future__ import annotations

from typing import Any

import pytest

from umbel.k8s.translate import translate

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: words}
spec: {predictor: {model: {modelFormat: {name: FORMAT}, MORE}}}
"""


def made(kind: str, more: str) -> tuple[Any, list[str]]:
    text = SERVICE.replace("FORMAT", kind).replace("MORE", more)
    found = translate([("/a/words.yaml", text)])
    (node,) = found.program.graphs[found.program.served[0]].nodes.values()
    return node.code, [one.message for one in found.findings if one.code == "UMB-K516"]


@pytest.mark.parametrize(
    ("arguments", "uri"),
    [
        ("--model_id=google/bert, --model_revision=abc", "hf://google/bert:abc"),
        ("--model-id, google/bert, --task=text_generation", "hf://google/bert"),
        ("--model=facebook/opt, --revision, main", "hf://facebook/opt:main"),
    ],
)
@pytest.mark.parametrize("kind", ["huggingface", "vLLM"])
def test_a_model_of_the_hub(kind: str, arguments: str, uri: str) -> None:
    code, told = made(kind, f"args: [{arguments}, --dtype=half]")
    assert code.uri == uri
    assert code.options["dtype"] == "float16"
    assert code.options.get("task") == ("text_generation" if "task" in arguments else None)
    assert told == []


def test_a_storage_uri_comes_before_the_servers_own_folder() -> None:
    code, told = made("vLLM", "storageUri: 'pvc://c/m', args: [--model=/mnt/models, --port=8080]")
    assert code.uri == "pvc://c/m"
    assert told == []


@pytest.mark.parametrize(
    ("kind", "arguments", "told"),
    [
        ("triton", "--log-verbose=1, --model-control-mode=explicit", ""),
        ("sklearn", "--workers=2, --model_name=other", ""),
        ("huggingface", "--made_up=input_ids, --x, z", "--made_up, --x mean"),
        ("sklearn", "--model_id=google/bert", "--model_id mean"),
    ],
)
def test_what_means_nothing_is_told(kind: str, arguments: str, told: str) -> None:
    _, messages = made(kind, f"storageUri: 's3://b/m', args: [{arguments}]")
    assert len(messages) == bool(told)
    assert all(one.startswith(told) for one in messages)
