"""Revisions of an InferenceService: what was asked for, kept as ControllerRevisions.

A roll-back needs the spec that ran before, and the resource holds only the newest. Kubernetes'
own record for that is a ControllerRevision: immutable, numbered, deleted with its owner.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from umbel.k8s.manifests.owner_references import owner_reference
from umbel.k8s.operator.world import Raw, noted
from umbel.k8s.resources.predictor import MODEL_BLOCKS

DIGEST = "umbel.dev/digest"
SERVICE = "serving.kserve.io/inferenceservice"

_COMPONENTS = ("predictor", "transformer", "explainer")
_OURS = "umbel.dev/"
_RUNS = (*MODEL_BLOCKS, "containers")


@dataclass(frozen=True)
class Revision:
    """``content`` holds ``spec`` and the ``annotations`` that change what runs."""

    name: str
    number: int
    digest: str
    content: Raw


def digest_of(data: object, length: int = 10) -> str:
    """A short digest of plain data, the same for equal data."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def content_of(service: Raw) -> dict[str, Any]:
    """What a revision is made of: the spec without how traffic is divided, and umbel's
    annotations."""
    spec = copy.deepcopy(dict(service.get("spec") or {}))
    spec.pop("canary", None)
    for name in _COMPONENTS:
        if isinstance(spec.get(name), dict):
            spec[name].pop("canaryTrafficPercent", None)
    if isinstance(spec.get("predictor"), dict):
        spec["predictor"].pop("name", None)
    kept = {k: v for k, v in noted(service).items() if k.startswith(_OURS)}
    return {"spec": spec, "annotations": kept}


def variant(content: Raw, predictor: Mapping[str, Any]) -> dict[str, Any]:
    """The content with a canary's predictor laid over the stable one. A model block of the
    canary takes the place of the stable one's, whatever its format."""
    merged = copy.deepcopy(dict(content))
    stable = dict(merged["spec"].get("predictor") or {})
    over = {key: value for key, value in predictor.items() if key not in ("name",)}
    if any(value and key in _RUNS for key, value in over.items()):
        stable = {key: value for key, value in stable.items() if key not in _RUNS}
    merged["spec"]["predictor"] = {**stable, **copy.deepcopy(over)}
    return merged


def known_revisions(service: Raw, revisions: Iterable[Raw]) -> list[Revision]:
    """The recorded revisions of this service, the oldest first."""
    uid = service["metadata"].get("uid")
    found = []
    for raw in revisions:
        owners = raw["metadata"].get("ownerReferences") or []
        if any(owner.get("uid") == uid for owner in owners):
            digest = (raw["metadata"].get("labels") or {}).get(DIGEST, "")
            number = int(raw.get("revision", 0))
            found.append(Revision(raw["metadata"]["name"], number, digest, raw.get("data") or {}))
    return sorted(found, key=lambda one: (one.number, one.name))


def latest_revision(service: Raw, known: list[Revision]) -> tuple[Revision, Raw | None]:
    """The revision of the spec as it stands, and the object to create if it is a new one.
    The same content again is the same revision again."""
    content = content_of(service)
    digest = digest_of(content)
    for one in reversed(known):
        if one.digest == digest:
            return one, None
    number = 1 + max((one.number for one in known), default=0)
    metadata = service["metadata"]
    name = f"{metadata['name']}-predictor-{number:05d}"
    made = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": {SERVICE: metadata["name"], DIGEST: digest},
            "ownerReferences": owned_by(service),
        },
        "data": content,
        "revision": number,
    }
    return Revision(name, number, digest, content), made


def owned_by(raw: Raw) -> list[dict[str, Any]]:
    """The ``ownerReferences`` of what belongs to a resource."""
    metadata = raw["metadata"]
    return [owner_reference(raw["apiVersion"], raw["kind"], metadata["name"], metadata["uid"])]
