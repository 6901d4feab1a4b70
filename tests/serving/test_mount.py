"""A graph that answers at another path than ``/NAME`` is found there."""

from __future__ import annotations

import pytest

from umbel.serving.mount import Mount


@pytest.mark.parametrize(
    ("name", "mounted", "path", "inner"),
    [
        ("iris", "/", "/", "/iris"),
        ("iris", "/", "/v1/models/iris:predict", "/iris/v1/models/iris:predict"),
        ("iris", "/", "/iris/v1/models", "/iris/v1/models"),
        ("iris", "/", "/iris", "/iris"),
        ("iris", "/", "/irises", "/iris/irises"),
        ("v1", "/", "/v1/models/v1:predict", "/v1/v1/models/v1:predict"),
        ("talk", "/", "/openai/v1/models", "/talk/openai/v1/models"),
        ("openai", "/", "/openai/v1/models", "/openai/openai/v1/models"),
        ("iris", "/ns/iris", "/ns/iris", "/iris"),
        ("iris", "/ns/iris", "/ns/iris/", "/iris"),
        ("iris", "/ns/iris", "/ns/iris/v2/health/ready", "/iris/v2/health/ready"),
        ("iris", "/iris/iris", "/iris/iris/v1/models", "/iris/v1/models"),
        ("iris", "/ns/iris", "/ns/irises", "/ns/irises"),
    ],
)
def test_paths(name: str, mounted: str, path: str, inner: str) -> None:
    assert Mount(name, mounted).inner_path(path) == inner
