"""What cannot run on the machines that are there is told, with numbers, before a start."""

from __future__ import annotations

from typing import Any

import pytest

from umbel import Scale, inference_graph, transformer
from umbel.graph import passes
from umbel.graph.feasibility import Machine, findings
from umbel.graph.inference import infer
from umbel.graph.placement import Placement, Pool
from umbel.graph.plan import Plan

CPU = Machine("cpu", {"CPU": 8, "memory": 8 * 2**30}, {"zone": "eu"})
GPU = Machine("gpu", {"CPU": 8, "GPU": 2, "accelerator_type:T4": 1}, {"zone": "us"})


def planned(*asked: dict[str, Any]) -> Plan:
    nodes = [transformer(name=f"n{i}", **one)(lambda x: x) for i, one in enumerate(asked)]

    @inference_graph(name="g")
    def graph(x):
        for one in nodes:
            x = one(x)
        return x

    return passes.plan(infer(graph.program()))


def told(plan: Plan, *machines: Machine, **options: Any) -> list[tuple[str, str, str]]:
    return [(f.code, f.severity, f.message) for f in findings(plan, machines, **options)]


def test_a_plan_that_fits_has_no_findings() -> None:
    plan = planned({"gpus": 0.5}, {"gpus": 0.5}, {"gpus": 1}, {"cpus": 4}, {})
    assert told(plan, CPU, GPU) == []


EU, ASIA, DISK = (Placement(labels=one) for one in ({"zone": "eu"}, {"zone": "asia"}, {"d": "s"}))
ONE_EACH = Placement(per_machine=1)
THREE = Scale(min=3)

IMPOSSIBLE = [
    ({"gpus": 2}, [CPU], 270, "asks for 2 GPUs, the cluster has 0"),
    ({"gpus": 4}, [GPU], 270, "asks for 4 GPUs, the cluster has 2"),
    ({"gpus": 4}, [GPU, GPU], 271, "4 GPUs in one replica; the machine with the most has 2"),
    ({"cpus": 9}, [CPU], 270, "asks for 9 CPUs, the cluster has 8"),
    ({"memory": 2**34}, [CPU], 270, "asks for 16.00 GiB of memory, the cluster has 8.00 GiB"),
    ({"resources": {"TPU": 1}}, [CPU], 270, "asks for 1 TPU, the cluster has 0"),
    ({"accelerator": "A100"}, [CPU, GPU], 270, "accelerator A100; the cluster has T4"),
    ({"accelerator": "A100"}, [CPU], 270, "the cluster has none of any type"),
    ({"placement": ASIA}, [CPU, GPU], 272, "where zone=asia; machines have zone=eu (1), us (1)"),
    ({"placement": DISK}, [CPU], 272, "no machine has a label d"),
    ({"gpus": 1, "placement": EU}, [CPU, GPU], 271, "where zone=eu: no single machine has it all"),
    ({"scale": THREE, "placement": ONE_EACH}, [CPU, GPU], 274, "3 replicas, at most 1 on a "),
    ({"scale": THREE, "gpus": 1}, [GPU], 273, "together reserve 3 GPUs (g--n0); the cluster has 2"),
    ({"placement": Placement(pool="a")}, [CPU], 260, "the known pools are: none"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "machines", "code", "words"), IMPOSSIBLE)
def test_impossible_requests(asked: Any, machines: Any, code: str, words: str) -> None:
    (finding,) = findings(planned(asked), machines)
    assert (finding.code, finding.severity) == (f"UMB-G{code}", "error")
    assert words in finding.message
    assert finding.fix
    assert finding.place.line


def test_all_nodes_count_together() -> None:
    (one,) = told(planned({"gpus": 1.0}, {"gpus": 1.0}, {"gpus": 0.5}), GPU)
    assert one[0] == "UMB-G273"
    assert "reserve 2.5 GPUs (g--n0, g--n1, g--n2); the cluster has 2" in one[2]


def test_nodes_apart_need_as_many_machines() -> None:
    apart = {"placement": Placement(apart="x")}
    assert told(planned(apart, apart), CPU, GPU) == []
    (one,) = told(planned(apart, apart, apart), CPU, GPU)
    assert one[0] == "UMB-G274"
    assert "g--n0, g--n1, g--n2 stay apart as 'x' and have 3 replicas; 2 machines" in one[2]


def test_what_only_the_largest_scale_lacks_is_a_warning() -> None:
    (one,) = told(planned({"gpus": 1, "scale": Scale(min=0, max=4)}), GPU)
    assert one[:2] == ("UMB-G275", "warning")


def test_a_scale_from_zero_must_fit_at_least_once() -> None:
    (one,) = told(planned({"gpus": 3, "scale": Scale(min=0, max=1)}), GPU)
    assert one[0] == "UMB-G270"


def test_a_graphs_own_replicas_count_too() -> None:
    plan = planned({"gpus": 1, "fuse": "always"})
    assert told(plan, GPU) == []
    (one,) = told(plan, CPU)
    assert one[2] == "asks for 1 GPU, the cluster has 0"
    light = planned({})
    assert told(light, CPU, replicas=80) == []
    assert told(light, CPU, replicas=81)[0][0] == "UMB-G273"


def test_a_pool_is_where_its_label_is() -> None:
    pool = Pool("edge", {"zone": "us"})
    plan = planned({"gpus": 1, "placement": Placement(pool=pool)})
    assert told(plan, CPU, GPU) == []
    assert told(plan, CPU)[-1][0] == "UMB-G272"
