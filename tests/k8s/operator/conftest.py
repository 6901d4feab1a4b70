from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import fake_cluster
from ray_head import RayHead, ray_head


@pytest.fixture()
async def cluster(tmp_path: Path) -> AsyncIterator[fake_cluster.FakeCluster]:
    """A small API server and Serve's REST API; a test starts the operator itself."""
    async with fake_cluster.fake_cluster(tmp_path) as found:
        yield found


@pytest.fixture()
def head() -> Iterator[RayHead]:
    """A Ray of its own, as a shared cluster's head."""
    with ray_head() as found:
        yield found
