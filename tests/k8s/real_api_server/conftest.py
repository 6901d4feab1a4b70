from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from kube_binaries import kube_binaries
from kube_installation import install
from real_kube import RealKube
from real_operator import RealOperator

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def empty_kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKube]:
    """A control plane in which nothing is installed."""
    binaries = kube_binaries()
    if isinstance(binaries, str):
        pytest.skip(binaries)
    found = RealKube(binaries, tmp_path_factory.mktemp("kube"))
    try:
        found.start()
        yield found
    finally:
        found.close()


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
