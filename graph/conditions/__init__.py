"""Conditions of an inference graph: gjson paths, true where the path finds anything.

    >>> exists('{"predictions": [{"label": "dog"}]}', 'predictions.#(label=="dog")')
    True

This is the path language of gjson 1.18, which decides ``condition`` in a KServe
InferenceGraph; it is evaluated here the way gjson does, mistakes in a path included. Truth is
existence: null, false, 0, "" and ``[]`` exist.

- ``exists`` is the condition, ``get`` shows what a path finds, as a ``Result`` that has a
  ``JsonType``.
- ``valid`` tells whether a document is JSON. KServe asks first, and a path on a document that
  is not JSON finds what it may.
- ``problems`` explains what looks wrong with a path. It is advice: every string is a path.

Nothing here raises for any document or path. See ``limits`` for where evaluation gives up.
"""

from __future__ import annotations

from umbel.graph.conditions import evaluation, validity
from umbel.graph.conditions.problems import problems
from umbel.graph.conditions.results import JsonType, Result

__all__ = ["JsonType", "Result", "exists", "get", "problems", "valid"]


def exists(document: bytes | str, path: str) -> bool:
    """Whether ``path`` finds anything in the JSON text ``document``."""
    return get(document, path).exists


def get(document: bytes | str, path: str) -> Result:
    """What ``path`` finds in the JSON text ``document``."""
    return evaluation.evaluate(_encode(document), _encode(path))


def valid(document: bytes | str) -> bool:
    """Whether ``document`` is strictly one JSON value. Bytes in strings need not be UTF-8."""
    return validity.is_valid(_encode(document))


def _encode(text: bytes | str) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
