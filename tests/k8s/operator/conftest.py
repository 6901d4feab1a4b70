from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import fake_cluster


@pytest.fixture()
async def cluster(tmp_path: Path) -> AsyncIterator[fake_cluster.FakeCluster]:
    """A small API server and Serve's REST API; a test starts the operator itself."""
    async with fake_cluster.fake_cluster(tmp_path) as found:
        yield found
