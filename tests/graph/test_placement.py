"""Where nodes are put: resources, groups that stay together, pools, and what contradicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel import Scale, inference_graph, transformer
from umbel.graph import passes
from umbel.graph.checks import check
from umbel.graph.errors import CheckFailed, DeclarationError
from umbel.graph.inference import infer
from umbel.graph.options import Resources
from umbel.graph.placement import Limits, Placement, Pool, fits, label_problem
from umbel.graph.plan import Plan
from umbel.graph.pool_checks import pool_findings
from umbel.graph.pools_file import read_pools
from umbel.graph.reservations import of_deployment, of_graph, reservations


def chain(*nodes: Any, **options: Any) -> Any:
    """A graph that calls the nodes one after the other."""

    @inference_graph(name="g", **options)
    def graph(x):
        for node in nodes:
            x = node(x)
        return x

    return graph


def node(name: str, **options: Any) -> Any:
    return transformer(name=name, **options)(lambda x: x)


def planned(*nodes: Any, pools: dict[str, Pool] | None = None, **options: Any) -> Plan:
    return passes.plan(infer(chain(*nodes, **options).program()), pools)


def shared(plan: Plan) -> list[tuple[str, ...]]:
    return [tuple(deployment.nodes) for deployment in plan.deployments]


def words_of(plan: Plan) -> dict[str, str]:
    return {decision.subject: decision.words for decision in plan.decisions}


def test_nodes_with_gpus_have_a_replica_each() -> None:
    plan = planned(node("a", gpus=0.5), node("b", gpus=0.5), node("c", gpus=1), node("d", gpus=1))
    assert shared(plan) == [("a",), ("b",), ("c",), ("d",)]
    assert words_of(plan)["g--a"] == "a replica reserves 0.5 GPU, which it shares"


def test_nodes_that_go_together_reserve_the_sum() -> None:
    together = Placement(together="vision")
    plan = planned(
        node("resize", placement=together),
        node("detect", gpus=0.5, cpus=1, placement=together),
        node("classify", gpus=0.5, memory=1000, placement=together),
        node("alone", cpus=1),
    )
    assert shared(plan) == [("resize", "detect", "classify"), ("alone",)]
    assert plan.deployments[0].resources == Resources(1, 1.0, 1000)
    words = [d.words for d in plan.decisions if d.subject == "g.classify"]
    assert "shares the deployment of 'resize': both go together as 'vision'" in words


def test_equal_needs_share_a_replica_that_reserves_both() -> None:
    plan = planned(node("a", cpus=1), node("b", cpus=1), node("c", cpus=2))
    assert shared(plan) == [("a", "b"), ("c",)]
    assert plan.deployments[0].resources.cpus == 2


def test_what_is_fused_by_force_is_reserved_by_the_graph() -> None:
    plan = planned(
        node("a", gpus=0.5, fuse="always"),
        node("b", gpus=0.5, fuse="always", placement=Placement(labels={"zone": "eu"})),
        placement=Placement(per_machine=1),
    )
    assert plan.deployments == ()
    own = of_graph(plan, plan.program.served[0])
    assert own.resources.gpus == 1
    assert own.placement.labels == {"zone": "eu"}
    assert own.placement.per_machine == 1
    assert "they reserve what it asks for" in words_of(plan)["g.a"]


A100 = Pool("a100", {"team": "vision"}, "A100", {"rack": 0.1}, Limits(gpus=2, replicas=3))


@pytest.mark.parametrize("pool", ["a100", A100], ids=["by name", "declared in Python"])
def test_a_pool_adds_labels_accelerator_and_resources(pool: Any) -> None:
    where = Placement(pool=pool, labels={"zone": "eu"})
    plan = planned(node("a", gpus=1, placement=where), pools={"a100": A100})
    one = of_deployment(plan, plan.deployments[0])
    assert one.amounts == {"CPU": 0.1, "GPU": 1, "rack": 0.1, "accelerator_type:A100": 0.001}
    assert one.placement.labels == {"team": "vision", "zone": "eu"}
    assert pool_findings(plan) == []
    assert words_of(plan)["g--a"].endswith("runs in pool 'a100', runs where team=vision, zone=eu")


def codes(plan: Plan, **options: Any) -> list[tuple[str, str]]:
    return [(one.severity, one.code) for one in pool_findings(plan, **options)]


def test_an_unknown_pool_is_named_with_those_that_are_known() -> None:
    plan = planned(node("a", placement=Placement(pool="h100")), pools={"a100": A100})
    (finding,) = pool_findings(plan)
    assert (finding.code, finding.severity) == ("UMB-G260", "error")
    assert "runs in pool 'h100'; the known pools are: a100" in finding.message
    assert codes(plan, unknown="warning") == [("warning", "UMB-G260")]


def test_limits_of_a_pool_hold_for_all_its_nodes() -> None:
    on = Placement(pool=A100)
    assert codes(planned(node("a", gpus=1, placement=on), node("b", gpus=1, placement=on))) == []
    over = planned(node("a", gpus=2, placement=on), node("b", gpus=1, placement=on))
    (finding,) = pool_findings(over)
    assert finding.code == "UMB-G261"
    assert finding.message == "pool 'a100' allows 2 GPUs; g--a, g--b take 3"
    later = planned(node("a", gpus=1, placement=on, scale=Scale(min=0, max=3)))
    assert codes(later) == [("warning", "UMB-G261")]
    many = planned(node("a", placement=on, scale=Scale(min=4)))
    assert codes(many) == [("error", "UMB-G261")]


def test_a_node_that_contradicts_its_pool() -> None:
    where = Placement(pool=A100, labels={"team": "audio"})
    plan = planned(node("a", accelerator="H100", placement=where))
    messages = [one.message for one in pool_findings(plan) if one.code == "UMB-G262"]
    assert len(messages) == 2
    assert "label team=audio, the pool has vision" in messages[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"placement": Placement(labels={"a b": "x"})}, "a key has letters"),
        ({"placement": Placement(labels={"a": "x y"})}, "expected value, !value, in(a,b)"),
        ({"placement": Placement(labels={"a": ""})}, "expected value"),
        ({"placement": Placement(per_machine=0)}, "per_machine=0 is not from 1 to 100"),
        ({"placement": Placement(per_machine=2, apart="x")}, "allows one replica on a machine"),
        ({"env": {"pipp": []}}, "env has no 'pipp'; it may hold env_vars"),
        ({"env": {"pip": [], "uv": []}}, "env has pip and uv"),
        ({"env": {"env_vars": {"A": 1}}}, "no mapping from text to text"),
        ({"env": {"py_executable": "/nowhere/bin/python"}}, "is not on this machine"),
    ],
)
def test_placements_and_environments_nobody_can_read(options: Any, words: str) -> None:
    (finding,) = check(infer(chain(node("odd", **options)).program()))
    assert (finding.code, finding.subject) == ("UMB-G252", "odd")
    assert words in finding.message
    assert finding.fix


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ({"scale": Scale(max=2)}, {"scale": Scale(max=3)}, "different scale"),
        ({"gpus": 1, "accelerator": "A100"}, {"accelerator": "H100"}, "different accelerator"),
        ({"env": {"pip": ["a"]}}, {"env": {"pip": ["b"]}}, "different env"),
        ({"gpus": 0.5}, {"gpus": 0.7}, "above 1 only whole GPUs"),
        ({"fuse": "never"}, {}, 'fuse="never"'),
    ],
)
def test_nodes_that_cannot_go_together(one: Any, other: Any, words: str) -> None:
    together = Placement(together="t")
    graph = chain(node("a", placement=together, **one), node("b", placement=together, **other))
    (finding,) = check(infer(graph.program()))
    assert finding.code == "UMB-G251"
    assert words in finding.message


def test_reservations_are_of_the_graph_and_of_each_deployment() -> None:
    plan = planned(node("light"), node("heavy", gpus=1, scale=Scale(min=0, max=4)))
    asked = {one.name: (one.amounts, one.scale) for one in reservations(plan)}
    assert asked == {
        "g": ({"CPU": 0.1}, None),
        "g--heavy": ({"CPU": 0.1, "GPU": 1}, Scale(min=0, max=4)),
    }


POOLS = """
pools:
  a100:
    labels: {team: vision}
    accelerator: A100
    limits: {gpus: 8, memory: 256Gi}
  cpu: {}
"""


def test_a_pools_file(tmp_path: Path) -> None:
    file = tmp_path / "pools.yaml"
    file.write_text(POOLS)
    limits = Limits(gpus=8, memory=256 * 2**30)
    assert read_pools(str(file)) == {
        "a100": Pool("a100", {"team": "vision"}, "A100", {}, limits),
        "cpu": Pool("cpu"),
    }


def test_a_pools_file_with_mistakes_names_all_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "pools.yaml"
    file.write_text(
        "pools:\n  a:\n    label: {}\n  b:\n    limits:\n      gpus: many\n  c:\n"
        "    labels: {zone: 'a b'}\n"
    )
    with pytest.raises(CheckFailed) as caught:
        read_pools(str(file))
    assert [(one.code, one.place.line) for one in caught.value.findings] == [
        ("UMB-G263", 3),
        ("UMB-G263", 6),
    ]
    with pytest.raises(DeclarationError, match="cannot be read"):
        read_pools(str(tmp_path / "none.yaml"))


words = st.sampled_from(["a", "b", "c"])
selectors = st.one_of(
    words,
    words.map("!{}".format),
    st.lists(words, min_size=1).map(lambda many: f"in({','.join(many)})"),
    st.lists(words, min_size=1).map(lambda many: f"!in({', '.join(many)})"),
)


@given(selectors, st.one_of(st.none(), words))
def test_labels_are_selected_as_ray_selects_them(selector: str, value: str | None) -> None:
    assert label_problem("zone", selector) == ""
    named = selector.removeprefix("!").removeprefix("in(").rstrip(")").replace(" ", "").split(",")
    held = value in named if not selector.startswith("!") else value not in named
    assert fits({} if value is None else {"zone": value}, {"zone": selector}) is held
