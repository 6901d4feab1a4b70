"""The explainer: ART, the older alibi and AIX360 blocks, or a container of the user's own."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from umbel.k8s.resources.component import Component
from umbel.k8s.resources.container import Container
from umbel.k8s.resources.predictor import ModelStorage

EXPLAINER_BLOCKS = ("art", "alibi", "aix")
"""The explainer's blocks that are named after a library."""


class ExplainerBlock(Container):
    """``type`` is the library's method (``AnchorTabular``); ``config`` its options as text."""

    type: str = ""
    storage_uri: str | None = None
    storage: ModelStorage | None = None
    runtime_version: str | None = None
    config: Mapping[str, str] = Field(default_factory=dict)


class Explainer(Component):
    """The component that answers ``:explain``, calling the predictor (or transformer)."""

    art: ExplainerBlock | None = None
    alibi: ExplainerBlock | None = None
    aix: ExplainerBlock | None = None

    @property
    def blocks(self) -> tuple[tuple[str, ExplainerBlock], ...]:
        """The library blocks that are given, by name; a valid explainer has at most one."""
        found = ((name, getattr(self, name)) for name in EXPLAINER_BLOCKS)
        return tuple((name, block) for name, block in found if block is not None)
