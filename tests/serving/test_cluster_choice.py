"""A model's name, and whatever else the caller says, leads to one application or to an error
that names all of them: never to another namespace's model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.graph.errors import InvalidInput
from umbel.serving.cluster_choice import NAME_KEY, SPACE_KEY, Served, choose
from umbel.serving.model_names import ModelNames


def served(path: str, *graphs: str, **models: str) -> Served:
    space, _, name = path.rpartition("/")
    return Served(f"app:{path}", space, name, ModelNames(graphs, models))


IRIS_A = served("team-a/iris", "iris")
IRIS_B = served("team-b/iris", "iris")
WINE = served("team-b/wine", "wine", cabernet="wine")
PREV = served("team-b/prev-iris", "iris")
ALL = (IRIS_A, IRIS_B, WINE, PREV)


def ask(model: str, /, *apps: Served, **metadata: str) -> list[tuple[str, str]]:
    keys = {"space": SPACE_KEY, "name": NAME_KEY}
    return choose(apps or ALL, model, {keys[key]: value for key, value in metadata.items()})


def test_a_name_that_one_has_needs_nothing_else() -> None:
    assert ask("wine") == [("app:team-b/wine", "wine")]
    assert ask("cabernet") == [("app:team-b/wine", "cabernet")]
    assert ask("nobody") == []


def test_several_of_a_name_are_told_apart_by_metadata_or_by_the_name() -> None:
    for space in ("team-a", "team-b"):
        wanted = [(f"app:{space}/iris", "iris")]
        assert ask("iris", space=space) == wanted
        assert ask("iris", space=space, name="iris") == wanted
        assert ask(f"{space}/iris") == wanted


def test_without_that_the_error_says_what_to_add() -> None:
    with pytest.raises(InvalidInput) as raised:
        ask("iris")
    text = str(raised.value)
    assert "team-a/iris, team-b/iris" in text
    assert f"{SPACE_KEY}: team-a" in text
    pool = served("team-b/pool", "pool", iris="pool")
    assert ask("iris", IRIS_B, pool) == [("app:team-b/iris", "iris")]
    other = served("team-b/other", "other", iris="other")
    with pytest.raises(InvalidInput, match=f"{NAME_KEY}: (pool|other)"):
        ask("iris", pool, other)


def test_another_namespace_is_never_asked() -> None:
    assert ask("wine", space="team-a") == []
    assert ask("iris", space="team-c") == []
    assert ask("team-a/wine") == []
    pool = served("team-b/pool", "pool", iris="pool")
    with pytest.raises(InvalidInput, match="team-a/iris, team-b/pool"):
        ask("iris", IRIS_A, pool)


def test_a_tag_leads_to_its_revision_and_changes_nothing_else() -> None:
    assert ask("prev-iris") == [("app:team-b/prev-iris", "iris")]
    assert ask("iris", space="team-b", name="prev-iris") == [("app:team-b/prev-iris", "iris")]
    assert ask("iris", IRIS_B, PREV) == [("app:team-b/iris", "iris")]


def test_a_pool_that_grows_is_asked_for_what_nobody_knows() -> None:
    folder = Served("app:f", "team", "folder", ModelNames(("folder",), {}, ("folder",)))
    assert ask("new", folder, IRIS_A) == [("app:f", "new")]
    assert ask("new", folder, space="team-a") == []


def test_applications_without_an_operator() -> None:
    whole, root = served("whole", "whole"), Served("app:r", "", "", ModelNames(("iris",)))
    assert ask("whole", whole) == [("app:whole", "whole")]
    assert ask("iris", root) == [("app:r", "iris")]
    huge = served("llama", "llama", **{"meta/llama": "llama"})
    assert ask("meta/llama", huge) == [("app:llama", "meta/llama")]


NAMES = st.sampled_from(["a", "b", "c"])
MANY = st.lists(
    st.builds(lambda s, n: served(f"{s}/{n}", n), NAMES, NAMES), unique_by=lambda one: one.label
)


@given(MANY, NAMES, st.none() | NAMES)
def test_whoever_is_chosen_has_it_and_is_the_only_one(
    apps: list[Served], model: str, space: str | None
) -> None:
    having = [a for a in apps if a.name == model and space in (None, a.space)]
    metadata = {} if space is None else {SPACE_KEY: space}
    if len(having) > 1:
        with pytest.raises(InvalidInput) as raised:
            choose(apps, model, metadata)
        assert all(one.label in str(raised.value) for one in having)
    else:
        assert choose(apps, model, metadata) == [(one.application, model) for one in having]
