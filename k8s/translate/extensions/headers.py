"""``umbel.dev/propagate-headers``: the header rules of one graph."""

from __future__ import annotations

import re

from umbel.k8s.translate.extensions.annotation import Annotation
from umbel.k8s.translate.extensions.extension import Extensions
from umbel.nodes.go_patterns import compile_pattern

_FIX = 'write a list of regular expressions: ["X-.*", "Authorization"]'


def read_headers(annotation: Annotation, extensions: Extensions) -> None:
    """A list of regular expressions, in place of the ConfigMap's; an empty one forwards none."""
    patterns = annotation.data
    if not isinstance(patterns, list):
        annotation.wrong((), "a list of regular expressions", patterns, _FIX)
        return
    good: list[str] = []
    for number, pattern in enumerate(patterns):
        if not isinstance(pattern, str):
            annotation.wrong((number,), "a regular expression", pattern, _FIX)
            continue
        try:
            compile_pattern(pattern)
        except re.error as error:
            annotation.find(
                "UMB-K605",
                (number,),
                f"{pattern!r} is no regular expression: {error}",
                "write X-.* rather than X-*",
            )
        else:
            good.append(pattern)
    extensions.headers = tuple(good)
