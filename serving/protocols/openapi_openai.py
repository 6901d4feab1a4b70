"""OpenAI's API in the document: the requests as they are read, of the methods a model has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from umbel.nodes.openai_requests import REQUESTS
from umbel.serving.protocols.operations import Schema, get, post, ref, with_events

_REF = "#/components/schemas/{model}"

_VERBS = {
    "create_completion": ("completions", "Complete a prompt"),
    "create_chat_completion": ("chat/completions", "The next message of a chat"),
    "create_embedding": ("embeddings", "Vectors of texts"),
    "create_rerank": ("rerank", "Order documents by a query"),
}
_STREAMED = ("create_completion", "create_chat_completion")


def paths(name: str, model: str, methods: Sequence[str]) -> dict[str, Any]:
    """Path → operations; none without methods."""
    if not methods:
        return {}
    base = f"/{name}/openai/v1"
    listed = {"object": "list", "data": [_model(model)]}
    found: dict[str, Any] = {
        f"{base}/models": _refused(get("openai_models", "The model", "OpenAI", listed)),
        f"{base}/models/{model}": _refused(
            get("openai_model", "The model", "OpenAI", _model(model))
        ),
    }
    for method in methods:
        path, summary = _VERBS[method]
        request = ref(REQUESTS[method].__name__)
        operation = post(method, summary, "OpenAI", request, {"type": "object"})
        if method in _STREAMED:
            with_events(operation, "with stream: an event for each chunk, then [DONE]")
        found[f"{base}/{path}"] = _refused({"post": operation})
    return found


def component_schemas(methods: Sequence[str]) -> dict[str, Schema]:
    """The schemas that the paths refer to."""
    found: dict[str, Schema] = {"OpenAiError": _ERROR} if methods else {}
    for method in methods:
        schema = REQUESTS[method].model_json_schema(ref_template=_REF)
        found.update(schema.pop("$defs", {}))
        found[REQUESTS[method].__name__] = schema
    return found


_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type"],
            "properties": {"message": {"type": "string"}, "type": {"type": "string"}},
        }
    },
}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "owned_by": "umbel"}


def _refused(operations: dict[str, Any]) -> dict[str, Any]:
    """Errors in OpenAI's form; which form an error has that comes before the model, is open."""
    both = {"anyOf": [ref("OpenAiError"), ref("Error")]}
    for operation in operations.values():
        for status, response in operation["responses"].items():
            if status != "200":
                response["content"] = {"application/json": {"schema": both}}
    return operations
