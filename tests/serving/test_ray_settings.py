"""What Ray is told, and how runs are kept apart."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from umbel.serving import ray_settings

_LONGEST_SOCKET = 107


def environment(port: int = 8000, folder: Path = Path("/tmp/umbel-abcd1234")) -> dict[str, str]:
    settings = ray_settings.RaySettings(port=port)
    return settings.environment(run_id="one", temp_dir=folder, fallback_port=9)


def test_the_fast_paths_are_on_and_the_run_is_marked() -> None:
    told = environment()
    assert told["RAY_SERVE_ENABLE_HA_PROXY"] == told["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"
    assert told[ray_settings.RUN_ID_VARIABLE] == "one"


def test_every_run_has_a_secret_of_its_own() -> None:
    assert environment()["RAY_AUTH_TOKEN"] != environment()["RAY_AUTH_TOKEN"]


def test_haproxys_socket_paths_fit() -> None:
    told = environment(folder=Path("/tmp/" + "x" * 27))
    admin = Path(told["RAY_SERVE_HAPROXY_SOCKET_PATH"])
    node = "f" * 56
    assert len(str(admin.parent / node / f"{admin.name}.4194304.tmp")) <= _LONGEST_SOCKET


@given(st.integers(1, 65_535))
def test_replica_ports_are_below_the_kernels_client_ports(port: int) -> None:
    first, last = ray_settings.replica_ports(port)
    assert 20_000 <= first < last < 32_768


@given(st.integers(1, 65_000), st.integers(1, 59))
def test_neighbouring_runs_have_replica_ports_of_their_own(port: int, distance: int) -> None:
    first, last = ray_settings.replica_ports(port)
    other_first, other_last = ray_settings.replica_ports(port + distance)
    assert last < other_first or other_last < first


def test_what_a_user_set_stays_except_for_what_separates_runs() -> None:
    wanted = environment()
    own = {"OMP_NUM_THREADS": "4", "RAY_AUTH_TOKEN": "of another run"}
    set_now = ray_settings.missing_from(own, wanted)
    assert "OMP_NUM_THREADS" not in set_now
    assert set_now["RAY_AUTH_TOKEN"] == wanted["RAY_AUTH_TOKEN"]
