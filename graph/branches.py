"""``switch``, ``splitter`` and ``ensemble``: where a graph branches and joins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from umbel.graph.annotations import read_signature
from umbel.graph.definitions import NodeDefinition, define_function
from umbel.graph.errors import DeclarationError
from umbel.graph.options import NodeOptions
from umbel.graph.steps import Case, Combine, Ensemble, Share, Split, Switch
from umbel.graph.tracing import Trace, Value, active_trace, caller_place
from umbel.graph.value_types import ANY, ValueType


@dataclass(frozen=True)
class When:
    """A case of a ``switch``. Made by ``when``."""

    condition: object
    value: object
    name: str = ""


@dataclass(frozen=True)
class Otherwise:
    """The last case of a ``switch``. Made by ``otherwise``."""

    value: object


def when(condition: object, value: object, *, name: str = "") -> When:
    """A case: ``value`` if ``condition`` holds. An array holds when all its elements do."""
    return When(condition, value, name)


def otherwise(value: object) -> Otherwise:
    """The case that is taken when no other is."""
    return Otherwise(value)


def switch(*cases: When | Otherwise) -> Value:
    """The value of the first case whose condition holds. Only the taken branch runs."""
    trace = _trace("switch")
    whens = [case for case in cases if isinstance(case, When)]
    rest = [case for case in cases if isinstance(case, Otherwise)]
    if not whens:
        trace.find("UMB-G120", "a switch without a case", fix="add when(condition, value)")
    if not rest:
        trace.find(
            "UMB-G121",
            "a switch without a last branch: an input that matches no case would fail",
            fix="add otherwise(value)",
        )
    elif len(rest) > 1 or not isinstance(cases[-1], Otherwise):
        trace.find(
            "UMB-G122",
            "otherwise(...) stands once, as the last case of a switch",
            fix="move it to the end and drop the others",
        )
    lifted = [(trace.lift(c.condition).step, trace.lift(c.value), c.name) for c in whens]
    last = trace.lift(rest[0].value) if rest else None
    values = [value for _, value, _ in lifted] + ([last] if last is not None else [])
    return trace.add(
        Switch(
            id=trace.fresh("switch"),
            cases=tuple(Case(condition, value.step, name) for condition, value, name in lifted),
            otherwise=last.step if last is not None else None,
            place=caller_place(),
            type=_common([value.type for value in values]),
        )
    )


def splitter(*shares: tuple[int, object], **named: tuple[int, object]) -> Value:
    """One branch at random by weight: ``splitter(stable=(80, a(x)), canary=(20, b(x)))``.

    Weights are whole percents and sum to 100. Only the chosen branch runs.
    """
    trace = _trace("splitter")
    pairs = [("", share) for share in shares] + list(named.items())
    made: list[Share] = []
    types: list[ValueType] = []
    for name, pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2):
            trace.find(
                "UMB-G123",
                f"a share of a splitter is (weight, value), not {type(pair).__name__}",
                fix=f"{name or 'share'}=(50, value)",
            )
            continue
        weight, value = pair
        if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= 100:
            trace.find(
                "UMB-G124",
                f"weight {weight!r} of share {name or len(made)} is not a whole number of percent",
                fix="use an int between 0 and 100",
            )
            weight = weight if isinstance(weight, (int, float)) else 0
        lifted = trace.lift(value)
        types.append(lifted.type)
        made.append(Share(weight, lifted.step, name or str(len(made))))
    return trace.add(
        Split(
            id=trace.fresh("splitter"),
            shares=tuple(made),
            place=caller_place(),
            type=_common(types),
        )
    )


_BUILT_IN: tuple[Combine, ...] = ("dict", "mean", "vote", "concatenate")


def ensemble(
    branches: Mapping[str, object] | None = None,
    /,
    *,
    combine: Combine | Callable[..., Any] | NodeDefinition = "dict",
    **named: object,
) -> Value:
    """All branches at once: ``ensemble(svm=svm(x), net=net(x), combine="mean")``.

    ``combine``: ``"dict"`` (the default: a dict by branch name), ``"mean"`` (element-wise),
    ``"vote"`` (the majority label per row; a tie goes to the earliest branch),
    ``"concatenate"`` (on the last axis), or a function that takes that dict.
    """
    trace = _trace("ensemble")
    given = {**(branches or {}), **named}
    if not given:
        trace.find("UMB-G125", "an ensemble without branches", fix="ensemble(name=value, ...)")
    overlap = sorted(set(branches or {}) & set(named))
    if overlap:
        trace.find(
            "UMB-G126", f"branch {overlap[0]!r} is named twice", fix="give each branch its own name"
        )
    lifted = {name: trace.lift(value) for name, value in given.items()}
    own = not isinstance(combine, str)
    if not own and combine not in _BUILT_IN:
        trace.find(
            "UMB-G127",
            f"combine={combine!r} is unknown; there are {', '.join(_BUILT_IN)}",
            fix="use one of them, or pass a function",
        )
    joined = trace.add(
        Ensemble(
            id=trace.fresh("ensemble"),
            branches=tuple((name, value.step) for name, value in lifted.items()),
            combine=combine if isinstance(combine, str) else "dict",
            place=caller_place(),
            type=_combined(combine if isinstance(combine, str) else "dict", lifted),
        )
    )
    if not own:
        return joined
    node = combine if isinstance(combine, NodeDefinition) else _combiner(combine)
    result: Value = node(joined)
    return result


def _combiner(function: Any) -> NodeDefinition:
    """A transformer around a user's combining function of one dict of branches."""
    options = NodeOptions()
    node = define_function("transformer", function, name="", options=options, place=caller_place())
    read = read_signature(function)
    if len(read.signature.inputs) != 1:
        raise DeclarationError(
            f"the combining function {node.default_name} takes one argument, the dict of "
            f"branches, not {len(read.signature.inputs)}"
        )
    return node


def _trace(word: str) -> Trace:
    trace = active_trace()
    if trace is None:
        raise DeclarationError(
            f"{caller_place()}: {word}(...) belongs into a function under @inference_graph"
        )
    return trace


def _common(types: list[ValueType]) -> ValueType:
    """What branches of these types have in common."""
    if not types:
        return ANY
    first = types[0]
    if all(t == first for t in types):
        return first
    if any(t.form != first.form for t in types):
        return ANY
    dtype = first.dtype if all(t.dtype == first.dtype for t in types) else None
    shape = first.shape if all(t.shape == first.shape for t in types) else None
    return ValueType(first.form, dtype, shape)


def _combined(combine: Combine, branches: Mapping[str, Value]) -> ValueType:
    if combine == "dict":
        return ValueType("dict")
    common = _common([value.type for value in branches.values()])
    if combine == "vote":
        return common
    if combine == "mean":
        return ValueType("ndarray", None, common.shape if common.is_tensor else None)
    return ValueType("ndarray")
