"""How many replicas a load wants."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from umbel import Scale
from umbel.graph.serve_scaling import replicas
from umbel.serving.load_policy import LoadPolicy

loads = st.lists(st.floats(0, 1000), min_size=1, max_size=20)


@given(loads, st.floats(1, 500))
def test_the_wanted_replicas_bring_each_to_its_target(load: list[float], target: float) -> None:
    wanted = LoadPolicy("rps", target).wanted(load, running=len(load), waiting=1)
    assert sum(load) / max(wanted, 1) <= target * (1 + 1e-6)
    if wanted > 1:
        assert sum(load) / (wanted - 1) > target * (1 - 1e-6)


def test_nothing_to_do_wants_nothing_and_a_waiting_request_wants_one() -> None:
    policy = LoadPolicy("rps", 100)
    assert policy.wanted([0.0], running=1, waiting=0) == 0
    assert policy.wanted([], running=0, waiting=0) == 0
    assert policy.wanted([], running=0, waiting=3) == 1


def test_a_replica_that_has_not_reported_counts_as_the_mean_of_the_others() -> None:
    assert LoadPolicy("cpu", 80).wanted([160.0], running=2, waiting=1) == 4


def test_scale_in_the_words_of_ray_serve() -> None:
    assert replicas(Scale(2)) == {"num_replicas": 2}
    asked = replicas(Scale(0, 3, 16))["autoscaling_config"]
    assert (asked["min_replicas"], asked["max_replicas"]) == (0, 3)
    assert asked["target_ongoing_requests"] == 16
    by_rate = replicas(Scale(1, 4, 50, "rps"))["autoscaling_config"]
    assert by_rate["policy"]["policy_kwargs"] == {"metric": "rps", "target": 50}
