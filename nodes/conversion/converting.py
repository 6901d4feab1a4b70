"""A saved model written in another format, and accepted only where both answer the same.

Both are opened by umbel's own runtimes and called with the same inputs, so that what is compared
is what would be served.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from umbel.graph.errors import ClientError, DeclarationError, MissingExtra
from umbel.graph.value_types import Port, Signature
from umbel.nodes.conversion import comparison, samples, source_formats, writing
from umbel.nodes.conversion.comparison import Comparison
from umbel.nodes.conversion.samples import Sample
from umbel.nodes.conversion.source_formats import Opened
from umbel.nodes.storage.fetching import fetch


@dataclass(frozen=True)
class Conversion:
    """What is asked for. ``to`` is a key of ``writing.TARGETS``; ``format`` is empty where the
    file's name tells; ``settings`` are those of the source's format; ``sample`` is a file of
    inputs; ``tolerance`` is absolute for values up to 1 and relative above."""

    uri: str
    to: str
    out: Path | None = None
    format: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    sample: Path | None = None
    tolerance: float = comparison.TOLERANCE
    overwrite: bool = False


@dataclass(frozen=True)
class Converted:
    """What was written and how it was compared. ``notes``: what the comparison left out."""

    out: Path
    format: str
    found: Comparison
    notes: tuple[str, ...]


class AnswersDiffer(DeclarationError):
    """The conversion worked and its answers are others. Nothing was written."""


def convert(asked: Conversion) -> Converted:
    """Convert, compare, and put the file in place at once. May take long.

    Raises DeclarationError: no such model or conversion, other answers, a file in the way.
    """
    path = fetch(asked.uri)
    code = source_formats.model_code(asked.uri, path, asked.format, asked.settings)
    source_formats.require_conversion(code.format, asked.to)
    out = _place(asked, path)
    source = source_formats.opened(code)
    sample = _sample(source, asked)
    with tempfile.TemporaryDirectory(prefix=".umbel-convert-", dir=out.parent) as room:
        draft = Path(room) / out.name
        found, notes = _attempts(source, asked, sample, draft)
        if source.sees_missing and asked.sample is None:
            found = found.joined(_with_missing(source, asked, draft))
        draft.replace(out)
    return Converted(out, writing.TARGETS[asked.to][0], found, (*sample.notes, *notes))


def _place(asked: Conversion, path: Path) -> Path:
    """Next to the model, or in this folder for one that was downloaded."""
    suffix = writing.TARGETS[asked.to][1]
    home = Path() if "://" in asked.uri else path if path.is_dir() else path.parent
    out = asked.out or home / f"{path.stem if path.is_file() else 'model'}{suffix}"
    if out.suffix != suffix:
        raise DeclarationError(f"{out}: a converted model ends in {suffix}: -o {out.stem}{suffix}")
    if out.is_dir() or not out.parent.is_dir():
        raise DeclarationError(f"{out}: expected a file in a folder that is there")
    if out.exists() and (not asked.overwrite or out.resolve() == path.resolve()):
        raise DeclarationError(f"{out} is there already: name another with -o, or add --force")
    return out


def _sample(source: Opened, asked: Conversion) -> Sample:
    if asked.sample is not None:
        return samples.read(asked.sample, source.ports)
    if source.code.format == "pytorch":
        return samples.of_ports(source.ports)
    if not source.ranges:
        raise DeclarationError(
            "the model does not tell its columns: give rows to compare on, --sample FILE"
        )
    made = samples.of_columns(source.ranges, source.names)
    return made if not source.sees_missing else replace(made, notes=made.notes[:-1])


def _attempts(
    source: Opened, asked: Conversion, sample: Sample, draft: Path
) -> tuple[Comparison, tuple[str, ...]]:
    """Write and compare; where single precision is too little, in double precision."""
    first: DeclarationError | None = None
    for precision in writing.precisions(source):
        try:
            writing.write(source, asked.to, precision, sample, draft)
            found, notes = _compared(source, asked.to, draft, sample)
        except MissingExtra:
            raise
        except (DeclarationError, ClientError) as error:
            first = first or DeclarationError(str(error))
            continue
        if found.accepted(asked.tolerance):
            return found, notes
        first = first or _refusal(found, asked.tolerance)
    raise first or AssertionError("no precision was tried")


def _compared(
    source: Opened, to: str, draft: Path, sample: Sample
) -> tuple[Comparison, tuple[str, ...]]:
    """All rows at once, and the first row alone: a batch size must not be built in."""
    target = writing.open_target(to, draft)
    found = _difference(source, target, sample.values)
    notes: tuple[str, ...] = ()
    if sample.rows == 1:
        notes = ("the sample is one row: larger batches were not compared",)
    else:
        try:
            found = found.joined(_difference(source, target, sample.head(1)))
        except ClientError:
            notes = (f"the first axis is fixed at {sample.rows}: other batches are refused",)
    return replace(found, rows=sample.rows), notes


def _difference(source: Opened, target: Any, values: Mapping[str, Any]) -> Comparison:
    expected = source.runtime.predict(**values)
    got = target.predict(**_renamed(values, source, target))
    return comparison.compare(expected, got, probabilities=source.classifies)


def _renamed(values: Mapping[str, Any], source: Opened, target: Any) -> dict[str, Any]:
    """The source's inputs by the names of the converted model, in order."""
    own: Signature = target.signature or Signature((Port("x"),))
    names = [port.name for port in own.inputs]
    if set(names) == set(values):
        return dict(values)
    if len(names) != len(values):
        raise DeclarationError(f"the converted model has {len(names)} inputs, not {len(values)}")
    return dict(zip(names, (values[port.name] for port in source.ports), strict=True))


def _with_missing(source: Opened, asked: Conversion, draft: Path) -> Comparison:
    """Rows with nan, where the model has a way of its own with them."""
    probe = samples.of_columns(source.ranges, source.names, missing=True)
    found, _ = _compared(source, asked.to, draft, probe)
    if found.accepted(asked.tolerance):
        return found
    raise AnswersDiffer(
        "rows with missing values (nan) are answered otherwise by the conversion, largest "
        f"difference {found.largest:.3g}; nothing was written. If there are none, compare on "
        "your own rows: --sample FILE"
    )


def _refusal(found: Comparison, tolerance: float) -> AnswersDiffer:
    told = f"largest difference {found.largest:.3g} on {found.rows} rows"
    if found.labels:
        told += f", {found.differing} of {found.labels} classes are others"
    hint = (
        "serve the model in its own format, or compare on your own rows: --sample FILE"
        if found.differing
        else "if it is near enough, --tolerance NUMBER"
    )
    return AnswersDiffer(
        f"the converted model answers otherwise: {told}; accepted is at most {tolerance:g} "
        f"(relative above 1) and no other class. Nothing was written; {hint}"
    )
