"""The front of a shared Ray cluster without Ray: its handles are played here."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from umbel.graph.errors import InvalidInput, NotFound, NotReady
from umbel.nodes.request_context import RequestContext
from umbel.serving.cluster_choice import SPACE_KEY, Served
from umbel.serving.model_names import ModelNames

pytest.importorskip("ray.serve")

from ray.serve.exceptions import DeploymentUnavailableError

from umbel.serving.cluster_grpc import ClusterModels
from umbel.serving.request_wire import Wire, from_wire


class Handle:
    """Of one application: it says who it is, and as what it was asked."""

    def __init__(self, name: str, gone: set[str]) -> None:
        self.name, self._gone = name, gone
        self.answer = self.answers = self

    def options(self, **_options: Any) -> Handle:
        return self

    def remote(self, model: str, *rest: Any) -> Any:
        if len(rest) == 2:
            return self._items(model)
        return self._answer(model, rest[-1])

    async def _answer(self, model: str, wire: Wire) -> tuple[bool, Any, RequestContext]:
        if self.name in self._gone:
            raise DeploymentUnavailableError(self.name)  # type: ignore[arg-type]
        if model == "absent":
            return False, NotFound("absent"), from_wire(wire)
        return True, f"{self.name} {model}".encode(), from_wire(wire)

    async def _items(self, model: str) -> AsyncGenerator[Any, None]:
        yield True, f"{self.name} {model}".encode()


class Played(ClusterModels):
    """``next``: what another look finds."""

    def __init__(self, *served: Served) -> None:
        super().__init__()
        self.graphs.served, self.next, self.gone, self.looks = served, served, set[str](), 0
        self.graphs.refresh = self._look  # type: ignore[method-assign]

    async def _look(self) -> None:
        self.graphs.served, self.looks = self.next, self.looks + 1

    def handle(self, graph: str) -> Any:
        return Handle(graph, self.gone)


def served(application: str, path: str, *graphs: str) -> Served:
    space, _, name = path.rpartition("/")
    return Served(application, space, name, ModelNames(graphs))


async def ask(models: Played, model: str, space: str | None = None) -> str:
    context = RequestContext(headers={} if space is None else {SPACE_KEY: space})
    return (await models.answer(model, "ModelInfer", b"", context)).decode()


A, B = served("app-a", "a/iris", "iris"), served("app-b", "b/iris", "iris")


async def test_the_application_of_the_namespace_is_asked_by_its_own_name() -> None:
    models = Played(A, B, served("tag", "b/prev-iris", "iris"))
    assert await ask(models, "iris", "a") == "app-a iris"
    assert await ask(models, "b/iris") == "app-b iris"
    assert await ask(models, "prev-iris") == "tag iris"
    with pytest.raises(InvalidInput, match="a/iris, b/iris"):
        await ask(models, "iris")
    assert sorted(models.names()) == ["a/iris", "b/iris"]
    found = models.answers("b/iris", b"", RequestContext())
    assert [one async for one in found] == [b"app-b iris"]


async def test_what_came_a_moment_ago_is_looked_for_once() -> None:
    models = Played()
    with pytest.raises(NotFound):
        await ask(models, "iris")
    assert models.looks == 1
    models.next = (A,)
    assert await ask(models, "iris") == "app-a iris"
    models = Played(served("app", "a/absent", "absent"))
    with pytest.raises(NotFound):
        await ask(models, "absent")


async def test_an_application_that_has_gone_is_no_failed_call() -> None:
    models = Played(A)
    models.gone.add("app-a")
    models.next = (served("app-a2", "a/iris", "iris"),)
    assert await ask(models, "iris") == "app-a2 iris"
    models = Played(A)
    models.gone.add("app-a")
    with pytest.raises(NotReady, match="app-a"):
        await ask(models, "iris")
