"""One server of scripted services and one of each backend for all cases."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from free_ports import free_port

HERE = Path(__file__).parent
sys.path.append(str(HERE))
pytest.register_assert_rewrite("judging")

import backends  # noqa: E402
import case_files  # noqa: E402
import graph_generator  # noqa: E402
from service_server import ServiceServer  # noqa: E402

GENERATED_ON_RAY = 120


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Saved models: ``iris``, KServe's first sample."""
    datasets = pytest.importorskip("sklearn.datasets")
    svm = pytest.importorskip("sklearn.svm")
    skops_io = pytest.importorskip("skops.io")
    folder = tmp_path_factory.mktemp("models")
    (folder / "iris").mkdir()
    flowers = datasets.load_iris()
    model = svm.SVC(gamma="scale").fit(flowers.data, flowers.target)
    skops_io.dump(model, folder / "iris" / "model.skops")
    return folder


@pytest.fixture(scope="session")
def services() -> Iterator[ServiceServer]:
    server = ServiceServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def all_cases(services: ServiceServer) -> list[case_files.Case]:
    cases = case_files.cases("router") + case_files.cases("data_plane")
    for case in cases:
        services.play(case.name, case.services)
    return cases


@pytest.fixture(scope="session")
def generated() -> list[graph_generator.Generated]:
    """The same graphs in every session."""
    found: list[graph_generator.Generated] = []
    seed = 0
    while len(found) < GENERATED_ON_RAY:
        made = graph_generator.generate(random.Random(seed), f"seed-{seed}")
        found += [made] if made is not None else []
        seed += 1
    return found


@pytest.fixture(scope="session")
def in_process(
    services: ServiceServer,
    all_cases: list[case_files.Case],
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[backends.InProcess]:
    folder = tmp_path_factory.mktemp("cases")
    backend = backends.InProcess(backends.write_files(all_cases, services.url, folder, models))
    yield backend
    backend.close()


@pytest.fixture(scope="session")
def umbel_run(
    services: ServiceServer,
    all_cases: list[case_files.Case],
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[backends.OverHttp]:
    """``umbel run --local`` with the cases that need no header rules, in one file."""
    folder = tmp_path_factory.mktemp("run")
    (first, *_) = backends.write_files(all_cases, services.url, folder, models)
    command = [sys.executable, "-m", "umbel", "run", first, "--local", "--no-grpc"]
    yield from _served([*command, "--port"])


@pytest.fixture(scope="session")
def on_ray(
    services: ServiceServer,
    all_cases: list[case_files.Case],
    generated: list[graph_generator.Generated],
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[backends.OverHttp]:
    """All cases and the generated graphs in one application on an embedded Ray."""
    folder = tmp_path_factory.mktemp("ray")
    cases = [*all_cases, *(made.case for made in generated)]
    for made in generated:
        services.play(made.case.name, made.case.services)
    files = backends.write_files(cases, services.url, folder, models)
    _wait_for_other_rays()
    yield from _served([sys.executable, str(HERE / "served_cases.py"), *files])


def _wait_for_other_rays(patience_s: float = 600) -> None:
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if not any(p.info["name"] == "raylet" for p in psutil.process_iter(["name"])):
            return
        time.sleep(2)


def _served(command: list[str]) -> Iterator[backends.OverHttp]:
    """Runs ``command PORT``, which says ``ready`` once it answers, until the session ends."""
    port = free_port()
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready"), line or "it ended without a word"
        yield backends.OverHttp(port)
    finally:
        process.terminate()
        process.communicate(timeout=90)
