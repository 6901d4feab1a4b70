"""Reservations in Ray Serve's words: the options are those that Ray Serve itself takes."""

from __future__ import annotations

from typing import Any

import pytest

from umbel.graph.findings import Place
from umbel.graph.options import Resources
from umbel.graph.placement import Placement
from umbel.graph.reservations import Reservation
from umbel.graph.serve_placement import deployment_options


def options(resources: Resources, placement: Placement, env: Any = None) -> dict[str, Any]:
    return deployment_options(Reservation("d", resources, placement, None, Place()), env)


def test_who_asks_for_nothing_reserves_a_tenth_of_a_cpu() -> None:
    assert options(Resources(), Placement()) == {"ray_actor_options": {"num_cpus": 0.1}}
    assert options(Resources(cpus=0.0), Placement()) == {"ray_actor_options": {"num_cpus": 0}}


FULL = (
    Resources(2, 0.5, 1000, "A100", {"rack": 0.5}),
    Placement("p", {"zone": "in(a,b)"}, per_machine=1, apart="ab"),
    {"env_vars": {"A": "1"}},
)


def test_everything() -> None:
    assert options(*FULL) == {
        "ray_actor_options": {
            "num_cpus": 2,
            "num_gpus": 0.5,
            "memory": 1000,
            "accelerator_type": "A100",
            "resources": {"rack": 0.5, "node:__internal_implicit_resource_umbel:ab": 1},
            "label_selector": {"zone": "in(a,b)"},
            "runtime_env": {"env_vars": {"A": "1"}},
        },
        "max_replicas_per_node": 1,
    }


@pytest.mark.ray
def test_ray_serve_takes_them() -> None:
    serve = pytest.importorskip("ray.serve")

    class Empty:
        pass

    made = serve.deployment(name="d", **options(*FULL))(Empty)
    assert made.ray_actor_options["num_gpus"] == 0.5
