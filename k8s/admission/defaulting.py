"""The defaults that KServe's webhook writes into an InferenceService, as a JSON patch.

Only what changes how the object reads: a framework block becomes the ``model`` block with its
protocol, and containers get the names by which KServe knows them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from umbel.k8s.resources.predictor import FRAMEWORKS, V2_FORMATS, V2_FRAMEWORKS

Operation = dict[str, Any]


def defaulted(raw: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The object with its defaults; ``old`` is what it takes the place of. What is no
    InferenceService stays as it is."""
    made: dict[str, Any] = copy.deepcopy(dict(raw))
    spec = made.get("spec")
    if made.get("kind") != "InferenceService" or not isinstance(spec, dict):
        return made
    before = (old or {}).get("spec")
    if isinstance(before, Mapping):
        _written_again(spec.get("predictor"), before.get("predictor"))
    for component in ("predictor", "transformer", "explainer"):
        if isinstance(spec.get(component), dict):
            _default_component(spec[component])
    canaries = spec.get("canary")
    for entry in canaries if isinstance(canaries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("predictor"), dict):
            _default_component(entry["predictor"])
    return made


def _written_again(new: Any, old: Any) -> None:
    """A manifest with a framework block, applied again, comes merged with the ``model`` block
    that was made of it the first time: what its user wrote counts."""
    if not isinstance(new, dict) or not isinstance(old, Mapping):
        return
    given = [name for name in FRAMEWORKS if isinstance(new.get(name), dict)]
    made_of_it = "model" in new and new["model"] == old.get("model")
    if len(given) == 1 and given[0] not in old and made_of_it:
        del new["model"]


def patch(before: Any, after: Any, path: str = "") -> Iterator[Operation]:
    """The JSON patch (RFC 6902) that turns ``before`` into ``after``."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before:
            if key not in after:
                yield {"op": "remove", "path": f"{path}/{_escaped(key)}"}
        for key, value in after.items():
            place = f"{path}/{_escaped(key)}"
            if key not in before:
                yield {"op": "add", "path": place, "value": value}
            else:
                yield from patch(before[key], value, place)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from patch(one, other, f"{path}/{index}")
    elif before != after or type(before) is not type(after):
        yield {"op": "replace", "path": path, "value": after}


def _default_component(component: dict[str, Any]) -> None:
    given = [name for name in FRAMEWORKS if isinstance(component.get(name), dict)]
    if len(given) == 1 and "model" not in component:
        (name,) = given
        component["model"] = {**component.pop(name), "modelFormat": {"name": name}}
        if name in V2_FRAMEWORKS:
            component["model"].setdefault("protocolVersion", "v2")
    model = component.get("model")
    form = model.get("modelFormat") if isinstance(model, dict) else None
    if isinstance(form, dict) and form.get("name") in V2_FORMATS:
        component["model"].setdefault("protocolVersion", "v2")
    containers = component.get("containers")
    if not isinstance(containers, list) or len(containers) != 1 or "model" in component:
        return
    if isinstance(containers[0], dict):
        containers[0].setdefault("name", "kserve-container")


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
