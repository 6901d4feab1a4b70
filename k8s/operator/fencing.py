"""One resource never stops the others: what cannot be planned is told, and what runs, stays."""

from __future__ import annotations

import logging
from collections.abc import Callable

from umbel.k8s.operator.conditions import Condition, merged
from umbel.k8s.operator.messages import findings_text
from umbel.k8s.operator.outcome import Outcome, readiness_notices
from umbel.k8s.operator.routing import as_config
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Raw, World, is_going
from umbel.k8s.resources.sizes import too_large

log = logging.getLogger("umbel.operator")


def fenced(
    world: World, raw: Raw, settings: OperatorSettings, plan: Callable[[], Outcome]
) -> Outcome:
    """What ``plan`` gives, or the resource as it is with a condition that says why."""
    found = None if is_going(raw) else too_large(raw)
    if found is not None:
        return _as_it_is(world, raw, settings, "TooLarge", findings_text([found]))
    try:
        return plan()
    except Exception as error:
        log.exception("%s cannot be planned", Key.of(raw))
        # The error's text may hold anything of the world that was read.
        text = f"the operator cannot read this resource: {type(error).__name__}, see its log"
        return _as_it_is(world, raw, settings, "InternalError", text)


def _as_it_is(
    world: World, raw: Raw, settings: OperatorSettings, reason: str, text: str
) -> Outcome:
    key, before = Key.of(raw), raw.get("status") or {}
    ready = Condition("Ready", "False", reason, text)
    known = before.get("conditions") or ()
    status = {
        **before,
        "observedGeneration": raw["metadata"].get("generation", 0),
        "conditions": merged([ready], known, world.now),
    }
    was: Raw = next((one for one in known if one.get("type") == "Ready"), {})
    live = world.owned_by(key).values() if settings.target == "ray" else ()
    stays = [] if is_going(raw) else [one for one in live if one.status != "DELETING"]
    has_finalizer = settings.target == "ray" and key.kind != "TrainedModel"
    return Outcome(
        key,
        raw,
        tuple(as_config(one, one.route) for one in stays),
        status=status,
        held=has_finalizer and bool(not is_going(raw) or live or not world.reachable),
        notices=tuple(readiness_notices(key, ready, was)),
    )
