"""Admission and conversion reviews, as an API server sends them: pure functions.

``AdmissionReview`` and ``ConversionReview`` of version ``v1`` in, the same with a ``response``
out. A review that is none is answered with ``NotAReview``, which is the caller's mistake.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from umbel.graph.errors import UmbelError
from umbel.graph.findings import Finding, has_errors
from umbel.k8s.admission.conversion import CannotConvert, converted
from umbel.k8s.admission.defaulting import defaulted, patch
from umbel.k8s.admission.findings_of import findings_of

Raw = Mapping[str, Any]
Review = dict[str, Any]
Others = Callable[[str], Sequence[Raw]]
"""Namespace → the objects that a resource there may refer to."""

LONGEST_WARNING = 256
"""Bytes of one warning that an API server passes on; and at most 4096 of all together."""

_ALL_WARNINGS = 4096

MOST_CAUSES = 100
"""Errors that a refusal lists one by one: who makes more has one cause for most of them."""

_LONGEST_CAUSE = 1000


class NotAReview(UmbelError):
    """The body is no review of a version that is known; the message says what was expected."""


def validate(review: Raw, others: Others | None = None) -> Review:
    """Refuses what has errors, with every finding; warnings are handed to the client.

    A change that leaves spec and annotations alone passes: an object that an older release
    took must be able to lose a finalizer.
    """
    request = _request(review, "AdmissionReview")
    new, old = request.get("object"), request.get("oldObject")
    if not isinstance(new, Mapping) or request.get("operation") == "DELETE":
        return _admission(request, {"allowed": True})
    if _is_going(new) or (isinstance(old, Mapping) and _says_the_same(new, old)):
        return _admission(request, {"allowed": True})
    namespace = str(request.get("namespace") or "")
    known = None if others is None else [o for o in others(namespace) if not _same(o, new)]
    found = findings_of(new, known)
    response: Review = {"allowed": not has_errors(found)}
    warnings = _warnings(one for one in found if one.severity == "warning")
    if warnings:
        response["warnings"] = warnings
    if has_errors(found):
        response["status"] = _refusal(new, [one for one in found if one.severity == "error"])
    return _admission(request, response)


def default(review: Raw) -> Review:
    """Adds the defaults of KServe, as a JSON patch."""
    request = _request(review, "AdmissionReview")
    raw = request.get("object")
    response: Review = {"allowed": True}
    if isinstance(raw, Mapping) and request.get("operation") != "DELETE":
        old = request.get("oldObject")
        operations = list(patch(raw, defaulted(raw, old if isinstance(old, Mapping) else None)))
        if operations:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(operations).encode()).decode()
    return _admission(request, response)


def convert(review: Raw) -> Review:
    """Converts all objects of the review, or none."""
    request = _request(review, "ConversionReview")
    desired = str(request.get("desiredAPIVersion"))
    response: Review = {"uid": request["uid"]}
    try:
        response["convertedObjects"] = [converted(one, desired) for one in request["objects"]]
        response["result"] = {"status": "Success"}
    except (CannotConvert, KeyError, TypeError) as error:
        response["convertedObjects"] = []
        response["result"] = {"status": "Failed", "message": str(error)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "response": response,
    }


def _request(review: Raw, kind: str) -> Raw:
    request = review.get("request") if isinstance(review, Mapping) else None
    group = "admission.k8s.io" if kind == "AdmissionReview" else "apiextensions.k8s.io"
    good = (
        isinstance(request, Mapping)
        and review.get("kind") == kind
        and review.get("apiVersion") == f"{group}/v1"
        and isinstance(request.get("uid"), str)
    )
    if not good or not isinstance(request, Mapping):
        raise NotAReview(f"expected {kind} {group}/v1 with a request that has a uid")
    return request


def _admission(request: Raw, response: Review) -> Review:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": request["uid"], **response},
    }


def _refusal(raw: Raw, errors: Sequence[Finding]) -> Review:
    metadata = raw.get("metadata") or {}
    # kubectl prints the causes and not the message: each says all there is to say.
    texts = [f"{one.message} ({one.code}; fix: {one.fix})" for one in errors]
    left = len(errors) - MOST_CAUSES
    errors, texts = errors[:MOST_CAUSES], [_shortened(one) for one in texts[:MOST_CAUSES]]
    lines = [f"{one.place.path}: {text}" for one, text in zip(errors, texts, strict=True)]
    causes = [
        {"field": one.place.path, "message": text, "reason": one.code}
        for one, text in zip(errors, texts, strict=True)
    ]
    if left > 0:
        lines.append(f"and {left} more")
        causes.append({"field": "", "message": lines[-1], "reason": errors[-1].code})
    return {
        "code": 422,
        "reason": "Invalid",
        "status": "Failure",
        "message": "\n".join(lines),
        "details": {
            "kind": raw.get("kind"),
            "name": metadata.get("name") or metadata.get("generateName", ""),
            "causes": causes,
        },
    }


def _shortened(text: str) -> str:
    """What an error quotes of an object may be as long as the object."""
    return text if len(text) <= _LONGEST_CAUSE else f"{text[: _LONGEST_CAUSE - 4]} ..."


def _warnings(findings: Any) -> list[str]:
    lines = [f"{one.place.path}: {one.message} ({one.code})" for one in findings]
    kept: list[str] = []
    for line in lines:
        text = line.encode()[:LONGEST_WARNING].decode("utf-8", "ignore")
        if sum(len(one.encode()) for one in kept) + len(text.encode()) > _ALL_WARNINGS:
            break
        kept.append(text)
    return kept


def _is_going(raw: Raw) -> bool:
    return bool((raw.get("metadata") or {}).get("deletionTimestamp"))


def _says_the_same(new: Raw, old: Raw) -> bool:
    return new.get("spec") == old.get("spec") and _annotations(new) == _annotations(old)


def _annotations(raw: Raw) -> Raw:
    found: Raw = (raw.get("metadata") or {}).get("annotations") or {}
    return found


def _same(one: Raw, other: Raw) -> bool:
    def key(raw: Raw) -> tuple[Any, Any, Any]:
        metadata = raw.get("metadata") or {}
        return raw.get("kind"), metadata.get("namespace"), metadata.get("name")

    return key(one) == key(other)
