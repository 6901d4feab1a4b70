"""Every case of the data files, on each backend."""

from __future__ import annotations

import case_files
import pytest
from backends import Backend, InProcess, OverHttp
from judging import judge
from service_server import ServiceServer

TRIES = case_files.tries("router") + case_files.tries("data_plane")
SAMPLE = [
    one
    for number, case in enumerate(case_files.cases("router") + case_files.cases("data_plane"))
    for one in case.tries
    if number % 4 == 0 and not case.propagate
]
"""What is enough to see that a server in front changes nothing."""


def run(one: case_files.Try, backend: Backend, services: ServiceServer) -> None:
    services.forget_calls(one.case.name)
    reply = backend.send(one.to, one.request)
    judge(one, reply, services)


@pytest.mark.parametrize("one", TRIES, ids=lambda one: one.id)
def test_in_process(one: case_files.Try, in_process: InProcess, services: ServiceServer) -> None:
    run(one, in_process, services)


@pytest.mark.slow
@pytest.mark.parametrize("one", SAMPLE, ids=lambda one: one.id)
def test_umbel_run_local(one: case_files.Try, umbel_run: OverHttp, services: ServiceServer) -> None:
    run(one, umbel_run, services)


@pytest.mark.ray
@pytest.mark.parametrize("one", TRIES, ids=lambda one: one.id)
def test_on_ray(one: case_files.Try, on_ray: OverHttp, services: ServiceServer) -> None:
    run(one, on_ray, services)


def test_there_are_enough_cases() -> None:
    assert len(TRIES) >= 150
