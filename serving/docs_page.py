"""``/NAME/docs``: the endpoint's OpenAPI document as one page, without a script or a font from
anywhere else, so that nothing leaves the machine."""

from __future__ import annotations

import html
import json
from typing import Any

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
details { border: 1px solid #ccc; border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer } summary b { display: inline-block; min-width: 3.5rem }
pre { background: #f4f4f4; padding: .6rem; overflow: auto; border-radius: 4px }
"""


def docs_page(document: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    info = document["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{html.escape(info['title'])}</title><style>{_STYLE}</style>",
        f"<h1>{html.escape(info['title'])}</h1>",
        f"<p>{html.escape(info.get('description', ''))}</p>",
        '<p><a href="openapi.json">openapi.json</a></p>',
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts.append(_operation(path, method, operation))
    schemas = document.get("components", {}).get("schemas", {})
    if schemas:
        parts.append(f"<h2>Schemas</h2><pre>{_pretty(schemas)}</pre>")
    return "\n".join(parts) + "</html>"


def _pretty(value: Any) -> str:
    return html.escape(json.dumps(value, indent=2, ensure_ascii=False))


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    summary = html.escape(operation.get("summary", ""))
    head = f"<summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> {summary}</summary>"
    body = ""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        shown = content.get("example", content.get("schema"))
        body += f"<p>request, {html.escape(kind)}</p><pre>{_pretty(shown)}</pre>"
    for status, response in operation.get("responses", {}).items():
        body += f"<p>{status}: {html.escape(response.get('description', ''))}</p>"
    return f"<details>{head}{body}</details>"
