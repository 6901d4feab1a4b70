"""Which application answers for a model, where several namespaces share a Ray cluster.

Model names are the resources' own, so two namespaces may have the same. The path an application
answers below says whose it is: ``/NAMESPACE/NAME``, or ``/NAME`` without an operator. A caller
says which is meant with KServe's metadata keys, or a model name that begins with the namespace.
Where that is missing and several could be meant, none is: the error names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from umbel.graph.errors import InvalidInput
from umbel.serving.model_names import ModelNames

SPACE_KEY = "kserve-isvc-namespace"
NAME_KEY = "kserve-isvc-name"
"""Metadata that KServe's routes add to requests: whose they are."""


@dataclass(frozen=True)
class Served:
    """An application that answers. ``space`` and ``name``: the parts of its path."""

    application: str
    space: str
    name: str
    models: ModelNames

    @property
    def label(self) -> str:
        """``NAMESPACE/NAME``."""
        return f"{self.space}/{self.name}" if self.space else self.name

    @property
    def is_own(self) -> bool:
        """False for a further way to a revision (``prev-NAME``), which has another's models."""
        return not self.name or self.name in self.models.graphs

    def knows(self, model: str, asked_by_name: bool) -> tuple[int, str]:
        """How surely it has the model, and the name it knows it by: 2 if the model is the whole
        resource, 1 for one of its models, 0 for none that it knows of now.

        A path that is not its graph's own (``prev-NAME``) is a way to one revision: its models
        have its name, but for callers that ask for it by name.
        """
        graphs = self.models.graphs
        own = self.is_own or asked_by_name
        if model == self.name and graphs:
            return 2, model if model in graphs else graphs[0]
        if own and model in graphs:
            return 2, model
        if own and model in self.models.models:
            return 1, model
        return 0, model


def choose(
    served: Sequence[Served], model: str, metadata: Mapping[str, str]
) -> list[tuple[str, str]]:
    """The applications to ask, each with the name it knows the model by; the first that has it
    answers. None where nothing of this name is served.

    Raises ``InvalidInput`` where the model is served in several places and the caller does not
    say which it means.
    """
    space, name = metadata.get(SPACE_KEY), metadata.get(NAME_KEY)
    near = [
        one
        for one in served
        if (space is None or one.space == space) and (name is None or one.name == name)
    ]
    found = _best(near, model, name is not None)
    first, slash, rest = model.rpartition("/")
    if not found and slash:
        found = _best([one for one in near if one.space == first], rest, name is not None)
    if len(found) > 1:
        raise _ambiguous(model, [one for one, _ in found])
    if found:
        return [(one.application, known_as) for one, known_as in found]
    growing = (one for one in near if one.models.growing and one.is_own)
    return [(one.application, model) for one in growing]


def _best(served: Iterable[Served], model: str, named: bool) -> list[tuple[Served, str]]:
    """Within each namespace, those that have the model most surely."""
    spaces: dict[str, tuple[int, list[tuple[Served, str]]]] = {}
    for one in served:
        surely, known_as = one.knows(model, named)
        most, found = spaces.get(one.space, (1, []))
        if surely > most:
            spaces[one.space] = surely, [(one, known_as)]
        elif surely == most:
            spaces[one.space] = most, [*found, (one, known_as)]
    return [pair for _, found in spaces.values() for pair in found]


def _ambiguous(model: str, found: Sequence[Served]) -> InvalidInput:
    labels = sorted(one.label for one in found)
    if len({one.space for one in found}) > 1:
        say = f"{SPACE_KEY}: {min(one.space for one in found if one.space)}"
    else:
        say = f"{NAME_KEY}: {found[0].name}"
    return InvalidInput(
        f"the model {model!r} is served by {', '.join(labels)}: say which is meant, "
        f"with the metadata {say}"
    )
