"""Everything `umbel check` would say about one object of a cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from umbel.graph.checks import check
from umbel.graph.finding_codes import MODEL_MISSING
from umbel.graph.findings import Finding, has_errors
from umbel.graph.inference import infer
from umbel.k8s.manifests import unsupported
from umbel.k8s.resources import load
from umbel.k8s.resources.codes import SERVICE_ELSEWHERE
from umbel.k8s.resources.sizes import too_large
from umbel.k8s.translate import translate
from umbel.k8s.translate.containers import IN_CLUSTER

Raw = Mapping[str, Any]

FILE = "request"
"""The name findings have for the object that came."""


def findings_of(raw: Raw, others: Sequence[Raw] | None = None) -> tuple[Finding, ...]:
    """The findings about ``raw``. ``others`` are what it may refer to in its cluster: services,
    runtimes, settings; None where nobody looked, and then nothing is said to be missing.

    Reads no file, URL, class or Secret that the object names.
    """
    if (large := too_large(raw)) is not None:
        return (large,)
    texts = [(FILE, _text(raw))]
    # A folder that holds nothing: relative paths in a cluster's object lead nowhere here.
    texts += [(f"other-{number}", _text(one)) for number, one in enumerate(others or ())]
    translated = translate(texts, IN_CLUSTER)
    found = [one for one in translated.findings if one.place.file == FILE]
    found += [one for one in unsupported(load(texts)) if one.place.file == FILE]
    if not has_errors(translated.findings):
        found += [
            one
            for one in check(infer(translated.program))
            if one.place.file == FILE and one.code != MODEL_MISSING
        ]
    if others is None:
        found = [one for one in found if one.code != SERVICE_ELSEWHERE]
    return tuple(dict.fromkeys(found))


def _text(raw: Raw) -> str:
    metadata = {k: v for k, v in (raw.get("metadata") or {}).items() if k != "managedFields"}
    whole = {k: v for k, v in raw.items() if k != "status"}
    return json.dumps({**whole, "metadata": metadata}, default=str)
