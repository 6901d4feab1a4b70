"""Where applications run: what the operator asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from umbel.graph.errors import UmbelError
from umbel.k8s.operator.desired import Desired
from umbel.k8s.operator.world import ServeApplication, World


class ServeUnavailable(UmbelError):
    """The applications' state cannot be read, or a change is not taken."""


class Overtaken(ServeUnavailable):
    """Another operator changed the applications since they were read. What was worked out from
    them is out of date: nothing is written, and the next pass sees what is there now."""


class Serving(Protocol):
    """A Ray cluster that runs, or KubeRay."""

    async def read(self) -> Mapping[str, ServeApplication]:
        """This operator's applications by name. Raises ``ServeUnavailable``."""

    async def make_so(self, world: World, desired: Desired) -> int:
        """Write what differs; how many writes that took. Raises ``Overtaken``."""
