from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from kuberay import KubeRay  # noqa: E402
from node_cluster import NodeCluster, node_cluster  # noqa: E402
from object_api import KubeApi  # noqa: E402
from real_node import node_programs  # noqa: E402

from kube_binaries import kube_binaries  # noqa: E402
from real_kube import ADMIN_TOKEN  # noqa: E402

FOLDER = Path(os.environ.get("UMBEL_NODE_FOLDER", HERE.parents[2] / "build" / "node"))


@pytest.fixture(scope="session")
def node() -> Iterator[NodeCluster]:
    """A cluster with umbel's image on its node, and KubeRay's stand-in."""
    image = FOLDER / "umbel.tar"
    for found in (kube_binaries(), node_programs()):
        if isinstance(found, str):
            pytest.skip(found)
    if not image.exists():
        pytest.skip(f"no {image}: `make node` builds it")
    with node_cluster(FOLDER, [image]) as made:
        stop = threading.Event()
        kuberay = KubeRay(KubeApi(made.kube.kubeconfig(ADMIN_TOKEN)), deletion_delay_s=20)
        thread = threading.Thread(target=_follow, args=(kuberay, stop))
        thread.start()
        try:
            yield made
        finally:
            stop.set()
            thread.join()


def _follow(kuberay: KubeRay, stop: threading.Event) -> None:
    while not stop.wait(2):
        try:
            kuberay.once()
        except OSError as error:  # the API server was slow
            print(error)
