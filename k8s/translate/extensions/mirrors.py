"""``umbel.dev/mirror``: steps that get a copy of the traffic and whose replies do not count."""

from __future__ import annotations

from umbel.graph.yaml_paths import Path
from umbel.k8s.translate.extensions.annotation import Annotation
from umbel.k8s.translate.extensions.extension import Extensions
from umbel.k8s.translate.extensions.step_names import Spot, step_of

_FIX = "write a list of steps: [root.shadow], or [{step: root.shadow, percent: 10}]"


def read_mirrors(annotation: Annotation, extensions: Extensions) -> None:
    """A list of steps, each with an optional percentage of the requests."""
    items = annotation.data
    if not isinstance(items, list):
        annotation.wrong((), "a list of steps", items, _FIX)
        return
    for number, item in enumerate(items):
        found = _mirror(annotation, number, item)
        if found is None:
            continue
        spot, percent, path = found
        if extensions.is_mirror(*spot):
            annotation.find(
                "UMB-K607", path, f"step {spot[1]} of {spot[0]!r} stands here twice", "remove one"
            )
        extensions.of(*spot).mirror = percent
        _check_weight(annotation, path, spot)
    for node, spec in annotation.graph.spec.nodes.items():
        if spec.steps and all(extensions.is_mirror(node, i) for i in range(len(spec.steps))):
            annotation.find(
                "UMB-K607",
                (),
                f"every step of node {node!r} is a mirror: nothing would answer",
                "leave at least one step of the node out of the list",
            )


def _mirror(annotation: Annotation, number: int, item: object) -> tuple[Spot, int, Path] | None:
    path: Path = (number,)
    percent: object = 100
    if isinstance(item, dict):
        annotation.known_keys(path, item, ("step", "percent"))
        percent, name, path = item.get("percent", 100), item.get("step"), (number, "step")
    else:
        name = item
    if type(percent) is not int or not 0 <= percent <= 100:
        annotation.wrong(
            (number, "percent"), "a whole number from 0 to 100", percent, "write percent: 100"
        )
        return None
    if not isinstance(name, str):
        annotation.wrong(path, "the name of a step", name, _FIX)
        return None
    spot = step_of(annotation, path, name)
    return None if spot is None else (spot, percent, path)


def _check_weight(annotation: Annotation, path: Path, spot: Spot) -> None:
    node = annotation.graph.spec.nodes[spot[0]]
    weight = node.steps[spot[1]].weight
    if node.router_type == "Splitter" and weight:
        annotation.find(
            "UMB-K607",
            path,
            f"a mirror takes no share of a Splitter's requests, but its weight is {weight}",
            "write 'weight: 0' and give its share to the other steps",
        )
