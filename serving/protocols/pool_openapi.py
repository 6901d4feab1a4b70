"""The OpenAPI document of a pool of models: one set of paths, with the model as a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_TEXTS = {
    "200": "OK",
    "400": "the body, a tensor's name, shape or dtype is wrong",
    "404": "no such model",
    "503": "the model is unloaded, or cannot be loaded",
}


def pool_document(name: str, models: Sequence[str], *, version: str) -> dict[str, Any]:
    """The document for the pool ``name`` of ``models``. What a model takes stands in its own
    metadata, ``GET /v2/models/{model}``: it is known once the model has been loaded."""
    v1, v2 = f"/{name}/v1/models", f"/{name}/v2"
    repository = f"{v2}/repository/models/{{model}}"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": version,
            "description": f"{len(models)} models, each loaded when it is first asked for",
        },
        "paths": {
            f"/{name}": {"get": _operation("pool", "The models, and what replicas have loaded")},
            v1: {"get": _operation("v1_models", "List the models")},
            f"{v1}/{{model}}": {"get": _of_model("v1_model", "Is the model ready?", models)},
            f"{v1}/{{model}}:predict": {"post": _of_model("v1_predict", "Predict", models, True)},
            f"{v2}/models/{{model}}": {
                "get": _of_model("v2_model", "Inputs and outputs of the model", models)
            },
            f"{v2}/models/{{model}}/ready": {
                "get": _of_model("v2_model_ready", "Is the model ready?", models)
            },
            f"{v2}/models/{{model}}/infer": {"post": _of_model("v2_infer", "Infer", models, True)},
            f"{v2}/repository/index": {"post": _operation("v2_index", "All models, with state")},
            f"{repository}/load": {"post": _of_model("v2_load", "Load", models)},
            f"{repository}/unload": {"post": _of_model("v2_unload", "Unload", models)},
        },
    }


def _operation(id: str, summary: str) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {}}}
    responses = {
        status: {"description": text, "content": content} for status, text in _TEXTS.items()
    }
    return {"operationId": id, "summary": summary, "responses": responses}


def _of_model(
    id: str, summary: str, models: Sequence[str], with_body: bool = False
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if models:
        schema["examples"] = list(models[:3])
    operation = {
        **_operation(id, summary),
        "parameters": [{"name": "model", "in": "path", "required": True, "schema": schema}],
    }
    if with_body:
        content = {"application/json": {"schema": {"type": "object"}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation
