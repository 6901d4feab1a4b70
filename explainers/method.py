"""What a method of an explanation library is, and what may be said of one. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["number", "whole", "flag", "text", "texts", "numbers", "object", "any"]
"""What an option's value is. ``numbers`` and ``texts`` are lists, ``object`` has string keys."""

Form = Literal["rows", "texts", "images", "tensors"]
"""What is explained: table rows ``[batch, features]``, texts, images ``[batch, height, width,
channels]`` with the channel last, or tensors as the model takes them."""


@dataclass(frozen=True)
class Option:
    """One option. Numbers lie between ``least`` and ``most``, both included; a text is one of
    ``choices`` if there are any."""

    kind: Kind
    meaning: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method:
    """One method. ``settings`` are the author's alone, ``parameters`` are the author's too, and
    the caller's for one explanation. ``needs``: ``train`` for rows to fit to, ``model`` for the
    saved model itself, ``weights`` for networks that were trained on the model's answers before."""

    name: str
    module: str
    library: str
    extra: str
    form: Form
    needs: tuple[Literal["train", "model", "weights"], ...] = ()
    settings: Mapping[str, Option] = field(default_factory=dict)
    parameters: Mapping[str, Option] = field(default_factory=dict)

    def known(self) -> dict[str, Option]:
        """Every option that an author may set."""
        return {**LIMITS, **self.settings, **self.parameters}


LIMITS: Mapping[str, Option] = {
    "budget_s": Option("number", "seconds one explanation may take (60)", 0.001, 86_400),
    "budget_samples": Option(
        "whole", "rows that may be predicted for one explanation (1,000,000)", 1, 10**9
    ),
    "batch_rows": Option("whole", "the most rows in one prediction call (16,384)", 1, 10**7),
    "output": Option("text", "the output that is explained, of a graph with several"),
    "seed": Option("whole", "where random numbers start (0)", 0, 2**32 - 1),
    "sha256": Option("text", "the digest of a folder that alibi saved: only it is loaded"),
    "allow_pickle": Option("flag", "load a folder that alibi saved, which can run any code"),
}
"""Options of every method."""

CALLERS_LIMITS = ("budget_s", "budget_samples")
"""Of those, what a caller may lower."""
