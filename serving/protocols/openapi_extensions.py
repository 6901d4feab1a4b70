"""Paths of the document beyond V1 and V2 proper: the repository, explanations over V2, and
Triton's generate."""

from __future__ import annotations

from typing import Any

from umbel.graph.value_types import Signature
from umbel.serving.protocols import metadata, schemas
from umbel.serving.protocols.operations import Schema, post, ref, with_events


def paths(
    name: str, model: str, signature: Signature, v2_example: Any, explain: bool
) -> dict[str, Any]:
    """Path → operations."""
    base = f"/{name}/v2"
    one, repository = f"{base}/models/{model}", f"{base}/repository"
    index = post(
        "v2_index", "All models, with state", "repository", ref("IndexRequest"), ref("Index"),
        required=False,
    )  # fmt: skip
    found: dict[str, Any] = {f"{repository}/index": {"post": index}}
    for verb, summary in (("load", "Load the model"), ("unload", "Unload the model")):
        answer = {"type": "object", "required": ["name", verb]}
        operation = post(f"v2_{verb}", summary, "repository", {}, answer, required=False)
        found[f"{repository}/models/{model}/{verb}"] = {"post": operation}
    if explain:
        operation = post(
            "v2_explain", "Explain", "V2", ref("V2Request"), {"type": "object"}, v2_example
        )
        found[f"{one}/explain"] = {"post": operation}
    body, answer = ref("GenerateRequest"), {"type": "object", "required": ["model_name"]}
    found[f"{one}/generate"] = {"post": post("generate", "Plain JSON", "generate", body, answer)}
    events = post("generate_stream", "The answer piece by piece", "generate", body, {})
    found[f"{one}/generate_stream"] = {"post": _only_events(events)}
    return found


def _only_events(operation: dict[str, Any]) -> dict[str, Any]:
    operation["responses"]["200"]["content"].clear()
    return with_events(operation, "an event for each item: the JSON of generate's answer")


def component_schemas(signature: Signature) -> dict[str, Schema]:
    """The schemas that the paths refer to."""
    row = metadata.index_row("model", True)
    return {
        "IndexRequest": {"type": "object", "properties": {"ready": {}}},
        "Index": {"type": "array", "items": {"type": "object", "required": list(row)}},
        "GenerateRequest": _generate_request(signature),
    }


def _generate_request(signature: Signature) -> Schema:
    """The inputs by name, at the top or under ``parameters``."""
    required = [port.name for port in signature.inputs if port.required]
    properties = {port.name: schemas.generated_value(port.type) for port in signature.inputs}
    known = {"id": {}, "parameters": {"type": ["object", "null"]}}
    by_name: Schema = {"type": "object", "properties": {**properties, **known}}
    if len(required) != 1:
        return {**by_name, "required": required}
    text = {"required": ["text_input"], "properties": {"text_input": properties[required[0]]}}
    return {**by_name, "anyOf": [{"required": required}, text]}
