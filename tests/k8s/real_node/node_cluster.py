"""A cluster of one real node: python tests/k8s/real_node/node_cluster.py FOLDER [IMAGE.tar …]

KubeRay's CRDs are in it. Prints the path of its kubeconfig, runs until it is ended (Ctrl-C), and
puts the machine back.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "support")]

from node_kube import NodeKube  # noqa: E402
from pause_image import pause_image  # noqa: E402
from ray_crds import install_ray_crds  # noqa: E402
from real_node import RealNode, node_programs  # noqa: E402

from kube_binaries import kube_binaries  # noqa: E402
from real_kube import ADMIN_TOKEN  # noqa: E402


@dataclass(frozen=True)
class NodeCluster:
    """A running one."""

    kube: NodeKube
    node: RealNode

    @property
    def folder(self) -> Path:
        return self.node.folder


@contextlib.contextmanager
def node_cluster(folder: Path, images: Sequence[Path]) -> Iterator[NodeCluster]:
    """One with the images in its node's store. What is in ``folder/containerd`` stays there, so
    that a second start has the images already."""
    binaries, programs = kube_binaries(), node_programs()
    if isinstance(binaries, str):
        raise FileNotFoundError(binaries)
    if isinstance(programs, str):
        raise FileNotFoundError(programs)
    folder.mkdir(parents=True, exist_ok=True)
    for old in ("etcd", "certificates", "kube", "controllers", "scheduler"):
        shutil.rmtree(folder / old, ignore_errors=True)
    node = RealNode(programs, folder)
    (folder / "kube").mkdir()
    kube = NodeKube(binaries, folder / "kube")
    try:
        node.prepare()
        node.start_containers()
        for image in (pause_image(folder), *images):
            node.ctr("images", "import", str(image))
        kube.start()
        node.start(kube)
        install_ray_crds(kube)
        yield NodeCluster(kube, node)
    finally:
        node.close()
        kube.close()


def main() -> None:
    folder, *images = sys.argv[1:]
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with node_cluster(Path(folder).resolve(), [Path(one) for one in images]) as found:
        print(found.kube.kubeconfig(ADMIN_TOKEN), flush=True)
        done.wait()


if __name__ == "__main__":
    main()
