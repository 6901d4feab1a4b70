"""Where replicas go on a cluster of three machines with logical GPUs, and what is refused."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loopback_server import Client
from simulated_cluster import Umbel, cluster, free_gpus, wait_until

pytest.importorskip("ray.serve")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

FILE = Path(__file__).parents[2] / "graphs" / "placed.py"
MACHINES = (
    {"num_cpus": 4, "num_gpus": 2, "labels": {"m": "one"}},
    {"num_cpus": 3, "num_gpus": 1, "labels": {"m": "two"}},
)


@pytest.fixture(scope="module")
def umbel() -> Iterator[Umbel]:
    with cluster(*MACHINES) as address:
        yield Umbel(address)


def where(client: Client, graph: str) -> Any:
    answer = client.post(f"/{graph}", {"x": 1})
    assert answer.status == 200, answer
    told = json.loads(answer.body)
    return told.get("output", told)


def test_fractions_share_a_gpu_and_whole_ones_do_not(umbel: Umbel) -> None:
    with umbel.run(Path(f"{FILE}:shares"), ["shares"]) as client:
        told = where(client, "shares")
    gpus = {name: (one["machine"], one["gpus"]) for name, one in told.items()}
    assert gpus["a"] == gpus["b"] != gpus["whole"]
    assert gpus["whole"][1] in ("0", "1")
    assert gpus["light"][1] == "", "who reserved no GPU sees none"
    assert told["a"]["process"] != told["b"]["process"]


def test_together_apart_and_pools(umbel: Umbel, tmp_path: Path) -> None:
    pools = tmp_path / "pools.yaml"
    pools.write_text("pools: {gpus: {labels: {m: one}}}")
    file = Path(f"{FILE}:near_and_far")
    with umbel.run(file, ["near_and_far"], "--pools", str(pools)) as client:
        told = where(client, "near_and_far")
    assert told["detect"] == told["classify"]
    assert told["detect"]["machine"] == "one"
    assert len(told["detect"]["gpus"]) == 1
    assert told["left"]["machine"] != told["right"]["machine"]
    assert told["two"]["machine"] == "two"


def test_replicas_spread_over_machines(umbel: Umbel) -> None:
    threads = concurrent.futures.ThreadPoolExecutor(16)
    with umbel.run(Path(f"{FILE}:spreads"), ["spreads"]) as client, threads:
        told = list(threads.map(lambda _: where(client, "spreads"), range(48)))
    assert {one["machine"] for one in told} == {"one", "two"}
    assert len({one["process"] for one in told}) == 2


def test_a_replica_that_goes_gives_its_gpu_back(umbel: Umbel) -> None:
    assert free_gpus(umbel.address) == 3
    with umbel.run(Path(f"{FILE}:comes_and_goes"), ["comes_and_goes"]) as client:
        assert free_gpus(umbel.address) == 3
        assert where(client, "comes_and_goes")["gpus"] in ("0", "1")
        assert free_gpus(umbel.address) == 2
        wait_until(lambda: free_gpus(umbel.address) == 3, 90)


def test_what_the_cluster_cannot_give_is_refused_and_nothing_starts(
    umbel: Umbel, tmp_path: Path
) -> None:
    file = tmp_path / "greedy.py"
    file.write_text(
        "from umbel import Placement, inference_graph, transformer\n"
        "four = transformer(name='four', gpus=4)(lambda x: x)\n"
        "two = transformer(name='two', gpus=3)(lambda x: x)\n"
        "far = transformer(name='far', placement=Placement(labels={'m': 'mars'}))(lambda x: x)\n"
        "@inference_graph\n"
        "def greedy(x):\n"
        "    return far(two(four(x)))\n"
    )
    refused = umbel("run", str(file), "--no-grpc")
    assert (refused.returncode, refused.stdout) == (1, "")
    for words in (
        "greedy--four: asks for 4 GPUs, the cluster has 3",
        "greedy--two: asks for 3 GPUs in one replica; the machine with the most has 2",
        "greedy--far: runs where m=mars; machines have m=one (1), two (1)",
    ):
        assert words in refused.stderr


def test_up_and_down_leave_others_alone(umbel: Umbel) -> None:
    up = umbel("up", f"{FILE}:shares", "--port", str(umbel.port), "--no-grpc")
    assert up.returncode == 0, up
    client = Client(int(up.stdout.strip().removesuffix("/shares").rsplit(":", 1)[1]))
    assert where(client, "shares")["whole"]["gpus"]
    again = umbel("run", f"{FILE}:shares", "--no-grpc")
    assert again.returncode == 1
    assert "the cluster already has shares" in again.stderr
    with umbel.run(Path(f"{FILE}:spreads"), ["spreads"]) as other:
        assert where(other, "spreads")
    assert where(client, "shares"), "the end of another run took it away"
    assert umbel("up", f"{FILE}:shares", "--no-grpc").returncode == 0, "up replaces"
    assert umbel("down", "shares").stdout == "down: shares\n"
    gone = umbel("down", "shares")
    assert gone.returncode == 1
    assert "the cluster has no shares; it has none" in gone.stderr
