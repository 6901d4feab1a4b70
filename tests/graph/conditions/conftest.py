"""The document that the tables of this folder ask about."""

from __future__ import annotations

import pytest

DOCUMENT = r"""{
  "id": 7,
  "model": {"name": "iris", "version": "v2", "tags": ["small", "tabular"]},
  "predictions": [
    {"label": "dog", "score": 0.91, "top": ["dog", "wolf", "fox"], "ok": true},
    {"label": "cat", "score": 0.5, "top": ["cat", "lynx"], "ok": false},
    {"label": "wolf", "score": 1e-2, "top": ["wolf", "dog"], "note": null}
  ],
  "outputs": [1, 2.5, -3, 40, 1e2],
  "names": ["Ada", "Bob", "Cleo", "", "Édith"],
  "mixed": [null, true, false, 0, 1, "0", "true", "FALSE", "no", "", [], [1], {}, {"a": 1}],
  "matrix": [[1, [2, 3]], [4, [5, [6]]], []],
  "columns": {"x": [1, 2, 3], "y": ["a", "b"], "z": 0},
  "text": "{\"a\":{\"b\":[5]}}",
  "a.b": "dotted", "a*b": "starred", "p|q": "piped", "q\"uote": "quoted", "été": "summer",
  "@odd": {"k": 1}, "#": "hash", "": "empty", "3": "three",
  "twice": "first", "twice": "second",
  "big": 12345678901234567890, "tiny": -0.0, "null": null, "yes": true, "no": false,
  "none": [], "void": {}
}"""


@pytest.fixture(scope="session")
def document() -> str:
    return DOCUMENT
