"""Knative's conditions: a list by type, whose transition times change with the status only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from umbel.graph.findings import Finding
from umbel.k8s.operator.messages import findings_text

State = Literal["True", "False", "Unknown"]

LIVING = frozenset({"Ready", "PredictorReady", "IngressReady"})
"""What an InferenceService's readiness is made of. Knative gives all others severity Info."""


@dataclass(frozen=True)
class Condition:
    """One condition. A true one needs neither reason nor message."""

    type: str
    status: State
    reason: str = ""
    message: str = ""


def true_or(type_: str, reached: bool, reason: str, message: str = "") -> Condition:
    """True, or Unknown with the reason."""
    return Condition(type_, "True") if reached else Condition(type_, "Unknown", reason, message)


def unreachable(type_: str) -> Condition:
    """Unknown while Serve's state cannot be read."""
    return Condition(type_, "Unknown", "ServeUnreachable", "Ray's dashboard cannot be reached")


def summary(conditions: Iterable[Condition], type_: str = "Ready") -> Condition:
    """True if all are; else the first false one, else the first unknown one."""
    given = list(conditions)
    for status in ("False", "Unknown"):
        for one in given:
            if one.status == status:
                return Condition(type_, one.status, one.reason, one.message)
    return Condition(type_, "True")


def warned(findings: Iterable[Finding]) -> Condition | None:
    """What runs though not all of it is honoured: nothing a user wrote is dropped silently."""
    warnings = [one for one in findings if one.severity == "warning"]
    if not warnings:
        return None
    return Condition("Warnings", "True", warnings[0].code, findings_text(warnings))


def merged(
    conditions: Sequence[Condition],
    before: Sequence[Mapping[str, Any]],
    now: str,
    living: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """The conditions as the API has them, sorted by type as Knative does. The time of one whose
    status did not change stays. Those that are not ``living`` are for information."""
    known = {str(one.get("type")): one for one in before}
    written = []
    for one in sorted(conditions, key=lambda condition: condition.type):
        old = known.get(one.type, {})
        kept = old.get("lastTransitionTime") if old.get("status") == one.status else None
        entry: dict[str, Any] = {
            "type": one.type,
            "status": one.status,
            "lastTransitionTime": kept or now,
        }
        if one.reason:
            entry["reason"] = one.reason
        if one.message:
            entry["message"] = one.message
        if living is not None and one.type not in living:
            entry["severity"] = "Info"
        written.append(entry)
    return written
