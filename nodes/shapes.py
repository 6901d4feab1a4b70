"""Does an array's shape fit the declared one? Named dims must agree within one signature."""

from __future__ import annotations

from umbel.graph.errors import InvalidInput
from umbel.graph.value_types import Dim

Bound = dict[str, tuple[int, str]]
"""Named dim → its length, and the input that fixed it."""


def match_shape(
    shape: tuple[int, ...], declared: tuple[Dim, ...] | None, what: str, bound: Bound | None = None
) -> None:
    """Raise InvalidInput unless ``shape`` fits ``declared``; None declares nothing.

    ``bound`` carries the named dims from one input to the next and is filled here.
    """
    if declared is None:
        return
    if declared and declared[0] == "...":
        declared = declared[1:]
        if len(shape) < len(declared):
            raise _misfit(shape, ("...", *declared), what, f"at least {len(declared)} axes")
        shape_part, offset = shape[len(shape) - len(declared) :], len(shape) - len(declared)
    else:
        if len(shape) != len(declared):
            raise _misfit(shape, declared, what, f"{len(declared)} axes")
        shape_part, offset = shape, 0
    names: Bound = {} if bound is None else bound
    for axis, (length, dim) in enumerate(zip(shape_part, declared, strict=True)):
        if isinstance(dim, int):
            if dim not in (length, -1):
                raise _misfit(shape, declared, what, f"{dim} along axis {axis + offset}")
        elif dim not in names:
            names[dim] = (length, what)
        elif names[dim][0] != length:
            seen, where = names[dim]
            raise _misfit(shape, declared, what, f"{dim} = {seen} as in {where}, not {length}")


def _misfit(
    shape: tuple[int, ...], declared: tuple[Dim, ...], what: str, reason: str
) -> InvalidInput:
    expected = ", ".join(str(dim) for dim in declared)
    return InvalidInput(
        f"{what}: expected shape [{expected}], got {list(shape)}: expected {reason}"
    )
