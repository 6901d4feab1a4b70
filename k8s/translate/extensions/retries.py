"""``umbel.dev/retries``: further attempts of a step's call, with back-off."""

from __future__ import annotations

from typing import Any

from umbel.graph.options import MAX_BACKOFF_MS, Retry
from umbel.graph.yaml_paths import Path
from umbel.k8s.translate.extensions.annotation import Annotation
from umbel.k8s.translate.extensions.extension import Extensions
from umbel.k8s.translate.extensions.step_names import step_of

DEFAULT = "default"
MOST_ATTEMPTS = 20

_EXAMPLE = "{default: {attempts: 3, backoffMs: 100, statuses: [502, 503, 504]}}"


def read_retries(annotation: Annotation, extensions: Extensions) -> None:
    """``default`` holds for every step that calls a service and is no mirror; a step's own
    entry wins."""
    given = annotation.mapping((), annotation.data, "settings by step", f"write {_EXAMPLE}")
    nodes = annotation.graph.spec.nodes
    if DEFAULT in given:
        retry = _retry(annotation, (DEFAULT,), given[DEFAULT])
        for node, spec in nodes.items():
            for index, step in enumerate(spec.steps):
                if not step.node_name and not extensions.is_mirror(node, index):
                    extensions.of(node, index).retry = retry
    for name, value in given.items():
        spot = None if name == DEFAULT else step_of(annotation, (name,), name)
        if name == DEFAULT:
            continue
        retry = _retry(annotation, (name,), value)
        if spot is None:
            continue
        target = nodes[spot[0]].steps[spot[1]].node_name
        if target:
            annotation.find(
                "UMB-K608",
                (name,),
                f"{name!r} goes to the node {target!r}; only calls of services are repeated",
                f"name the steps of {target!r} instead, as '{target}.step'",
            )
            continue
        extensions.of(*spot).retry = retry


def _retry(annotation: Annotation, path: Path, value: object) -> Retry | None:
    given = annotation.mapping(path, value, "the settings of a step", f"write {_EXAMPLE}")
    annotation.known_keys(path, given, ("attempts", "backoffMs", "statuses"))
    plain = Retry()
    attempts = _number(
        annotation, path, given, "attempts", plain.attempts, (1, MOST_ATTEMPTS), whole=True
    )
    backoff = _number(
        annotation, path, given, "backoffMs", plain.backoff_ms, (0, int(MAX_BACKOFF_MS))
    )
    statuses = _statuses(annotation, path, given, plain.statuses)
    return Retry(int(attempts), backoff, statuses) if attempts > 1 else None


def _number(
    annotation: Annotation,
    path: Path,
    given: dict[str, Any],
    key: str,
    default: float,
    limits: tuple[int, int],
    *,
    whole: bool = False,
) -> float:
    value = given.get(key, default)
    kinds = (int,) if whole else (int, float)
    right = isinstance(value, kinds) and not isinstance(value, bool)
    if right and limits[0] <= value <= limits[1]:
        return float(value)
    what = f"{'a whole number' if whole else 'a number'} from {limits[0]} to {limits[1]}"
    annotation.wrong((*path, key), what, value, f"write {key}: {default:g}")
    return default


def _statuses(
    annotation: Annotation, path: Path, given: dict[str, Any], default: tuple[int, ...]
) -> tuple[int, ...]:
    value = given.get("statuses", list(default))
    fix = f"write statuses: {list(default)}"
    if not isinstance(value, list):
        annotation.wrong((*path, "statuses"), "a list of HTTP statuses", value, fix)
        return default
    good = []
    for number, status in enumerate(value):
        if type(status) is int and 300 <= status <= 599:
            good.append(status)
        else:
            spot = (*path, "statuses", number)
            annotation.wrong(spot, "an HTTP status from 300 to 599", status, fix)
    return tuple(good)
