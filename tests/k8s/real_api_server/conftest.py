from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from kube_access import KubeAccess
from kube_binaries import KubeBinaries, kube_binaries
from kube_installation import install
from newer_kube import NewerKube, control_plane
from real_kube import RealKube
from real_operator import RealOperator

NUMBERS = itertools.count()


def _binaries() -> KubeBinaries:
    found = kube_binaries()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="module")
def empty_kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKube]:
    """A control plane in which nothing is installed, with the newest server for CRDs."""
    found = control_plane(_binaries(), tmp_path_factory.mktemp("kube"))
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module", params=["older", "newer"])
def crd_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KubeAccess]:
    """A server for CRDs: the kube-apiserver, or that of a newer Kubernetes."""
    binaries = _binaries()
    folder = tmp_path_factory.mktemp("kube")
    newer = request.param == "newer"
    if newer and binaries.crds is None:
        pytest.skip("no apiextensions-apiserver: `make kube` builds it")
    kube = RealKube(binaries, folder)
    if newer and binaries.crds is not None:
        kube = NewerKube(binaries, binaries.crds, folder)
    try:
        kube.start()
        yield kube.direct if isinstance(kube, NewerKube) else kube
    finally:
        kube.close()


@pytest.fixture(scope="module")
def kube(empty_kube: RealKube) -> RealKube:
    """One with umbel's CRDs, accounts, rights and webhook configurations, and KubeRay's CRD."""
    install(empty_kube)
    return empty_kube


@pytest.fixture()
def operator(kube: RealKube) -> Iterator[RealOperator]:
    """Operators for one test, which starts them."""
    found = RealOperator(kube)
    yield found
    found.close()


@pytest.fixture()
def namespace(kube: RealKube) -> str:
    """A namespace for one test."""
    name = f"test-{next(NUMBERS)}"
    kube.kubectl("create", "namespace", name)
    return name
