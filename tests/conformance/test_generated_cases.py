"""Generated graphs give what the oracle, a reading of its own, says they give."""

from __future__ import annotations

import random
from pathlib import Path

import backends
import graph_generator
import hypothesis
import pytest
from hypothesis import strategies as st
from judging import judge_answer
from service_server import ServiceServer


def check(
    made: graph_generator.Generated, backend: backends.Backend, services: ServiceServer
) -> None:
    name = made.case.name
    services.forget_calls(name)
    (one,) = made.case.tries
    reply = backend.send(name, one.request)
    judge_answer(made.answer, made.oracle, reply, lambda: services.calls(name))


@hypothesis.settings(
    derandomize=True, max_examples=150,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)  # fmt: skip
@hypothesis.given(source=st.randoms(use_true_random=False))
def test_in_process(source: random.Random, services: ServiceServer, tmp_path: Path) -> None:
    made = graph_generator.generate(source, "any")
    hypothesis.assume(made is not None)
    assert made is not None
    services.play(made.case.name, made.case.services)
    backend = backends.InProcess(backends.write_files([made.case], services.url, tmp_path))
    try:
        check(made, backend, services)
    finally:
        backend.close()


@pytest.mark.parametrize("number", range(120))
@pytest.mark.ray
def test_on_ray(
    number: int,
    generated: list[graph_generator.Generated],
    on_ray: backends.OverHttp,
    services: ServiceServer,
) -> None:
    check(generated[number], on_ray, services)
