"""``kubectl get -o yaml`` prints one ``List``: its items are the resources."""

from __future__ import annotations

import json

from umbel.graph.yaml_source import read_documents


def unlisted(file: str, text: str) -> str:
    """The text with the items of each ``List`` in its place. A text without lists, or one that
    cannot be read, stays as it is; lines of items are lost."""
    if "List" not in text:
        return text
    documents, unreadable = read_documents(text, file)
    if unreadable or not any(_is_list(one.data) for one in documents):
        return text
    items: list[object] = []
    for document in documents:
        items += document.data["items"] if _is_list(document.data) else [document.data]
    return "".join(f"---\n{json.dumps(item, default=str)}\n" for item in items)


def _is_list(data: object) -> bool:
    return (
        isinstance(data, dict)
        and str(data.get("kind", "")).endswith("List")
        and isinstance(data.get("items"), list)
    )
