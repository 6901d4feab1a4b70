"""What makes a resource the owner of an object: it is collected with it."""

from __future__ import annotations

from typing import Any


def owner_reference(api_version: str, kind: str, name: str, uid: str) -> dict[str, Any]:
    """An entry of ``metadata.ownerReferences``."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
