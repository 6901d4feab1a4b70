"""Operations of an OpenAPI document: what they take, answer, and refuse."""

from __future__ import annotations

from typing import Any

from umbel.serving.protocols.schemas import READINESS

Operation = dict[str, Any]
Schema = dict[str, Any]

ERRORS = {
    "400": "the body, a tensor's name, shape or dtype is wrong",
    "404": "no such graph or model",
    "413": "the body is over the limit",
    "500": "a node failed; the text names it and the request",
    "501": "nothing here can do it",
    "503": "still starting, stopping, or the model is unloaded",
    "504": "the deadline passed",
}
_OF_POSTS = ("400", "404", "413", "500", "503", "504")


def get(id: str, summary: str, tag: str, example: Any, schema: Schema | None = None) -> Operation:
    """A page that is read."""
    content = {"application/json": {"schema": schema or {"type": "object"}, "example": example}}
    responses = {"200": {"description": "OK", "content": content}, **errors("404", "503")}
    return {"get": {"operationId": id, "summary": summary, "tags": [tag], "responses": responses}}


def ready_page(id: str, summary: str, example: Any) -> Operation:
    """A page that tells of readiness, with 503 for what is not ready."""
    page = get(id, summary, "V2", example, READINESS)
    responses = page["get"]["responses"]
    responses["503"] = {"description": "not ready", "content": responses["200"]["content"]}
    return page


def post(
    id: str,
    summary: str,
    tag: str,
    request: Schema,
    answer: Schema,
    example: Any = None,
    *,
    required: bool = True,
    more: tuple[str, ...] = (),
) -> Operation:
    """A call with a JSON body. ``more``: statuses besides the usual ones."""
    body: dict[str, Any] = {"schema": request}
    if example is not None:
        body["example"] = example
    return {
        "operationId": id,
        "summary": summary,
        "tags": [tag],
        "requestBody": {"required": required, "content": {"application/json": body}},
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": answer}}},
            **errors(*_OF_POSTS, *more),
        },
    }


def with_events(operation: Operation, description: str) -> Operation:
    """The operation, which may also answer with server-sent events."""
    answer = operation["responses"]["200"]
    answer["content"]["text/event-stream"] = {"schema": {}}
    answer["description"] = f"OK; as text/event-stream: {description}"
    return operation


def errors(*statuses: str) -> dict[str, Any]:
    """Responses with an error's text."""
    content = {"application/json": {"schema": ref("Error")}}
    return {status: {"description": ERRORS[status], "content": content} for status in statuses}


def ref(name: str) -> Schema:
    """A schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}
