"""Whose an object of the cluster is: nothing of anybody else's is ever taken over."""

from __future__ import annotations

from umbel.k8s.operator.api_errors import Refused
from umbel.k8s.operator.kinds import Kind
from umbel.k8s.operator.world import Raw


def is_left_of(there: Raw | None, kind: Kind, owner: Raw) -> bool:
    """True for an object of an owner of the same name that is gone, False if nothing is there.
    Raises ``Refused`` for anything else."""
    if there is None:
        return False
    names = there["metadata"]
    us = (owner["kind"], owner["metadata"]["name"])
    if any((o.get("kind"), o.get("name")) == us for o in names.get("ownerReferences") or ()):
        return True
    raise Refused(
        409,
        f"{kind.name} {names['namespace']}/{names['name']} is there already and does not "
        "belong to this resource: rename one of them, or delete it",
    )


def belongs(raw: Raw | None, owner: Raw) -> bool:
    """True where the object is there and is the resource's own."""
    owners = (raw or {}).get("metadata", {}).get("ownerReferences") or ()
    return any(one.get("uid") == owner["metadata"]["uid"] for one in owners)
