"""What is measured: the workloads, which loads they get, which servers run them."""

from __future__ import annotations

from dataclasses import dataclass, replace

EVERYBODY = (
    "hand-written",
    "umbel-local",
    "umbel-ray",
    "umbel-ray-2",
    "ray-handles",
    "ray-handles-default",
    "kserve",
    "bentoml",
    "litserve",
)
"""All servers, in the order in which they are measured."""

V2 = tuple(name for name in EVERYBODY if name not in ("bentoml", "litserve"))
BATCHED = (
    "umbel-local",
    "umbel-local-batched",
    "umbel-ray",
    "umbel-ray-batched",
    "bentoml",
    "bentoml-batched",
    "litserve",
    "litserve-batched",
)


@dataclass(frozen=True)
class Workload:
    """``graph``: file and name for `umbel run`. ``open_loop``: also measured with arrivals by
    chance. ``steady``: also one long window with one client, for p99 over p50. ``more_graphs``:
    served beside it, without load. ``same_as``: it has the requests of that workload."""

    name: str
    graph: str
    words: str
    servers: tuple[str, ...] = EVERYBODY
    clients: tuple[int, ...] = (1, 8, 32)
    open_loop: bool = False
    steady: bool = False
    more_graphs: tuple[str, ...] = ()
    same_as: str = ""

    @property
    def pipeline(self) -> str:
        """The workload whose requests and nodes it has."""
        return self.same_as or self.name


WORKLOADS: tuple[Workload, ...] = (
    Workload("chain-1", "chain.py:chain_1", "one node: logistic regression on iris"),
    Workload("chain-2", "chain.py:chain_2", "1 light node, then the model"),
    Workload(
        "chain-4", "chain.py:chain_4", "3 light nodes, then the model", open_loop=True, steady=True
    ),
    Workload("chain-8", "chain.py:chain_8", "7 light nodes, then the model"),
    Workload("wide-10", "wide.py:wide_10", "10 light nodes side by side, and their mean"),
    Workload(
        "image", "image.py:image", "base64 PNG, decode, resize, small CNN, label", open_loop=True
    ),
    Workload(
        "cascade", "cascade.py:cascade", "linear model; a network helps with 1 in 4", open_loop=True
    ),
    Workload("tensor", "tensor.py:tensor", "two light nodes on 1 MiB of float32, V2 binary", V2),
    Workload("mlp", "mlp.py:mlp", "torch MLP of 34 MB: batched against unbatched", BATCHED),
    Workload(
        "two-graphs",
        "chain.py:chain_4",
        "chain-4 with chain-8 beside it: what one more graph costs",
        ("umbel-local", "umbel-ray"),
        clients=(1,),
        more_graphs=("chain.py:chain_8",),
        same_as="chain-4",
    ),
)
"""In the order in which they are run. A light node is x * w + b on four columns."""


def chosen(names: list[str] | None) -> list[Workload]:
    """Those whose name is or starts with one of ``names``; all without names."""
    return [w for w in WORKLOADS if not names or any(w.name.startswith(name) for name in names)]


COMPARED = {
    "chain-1": ("hand-written", "umbel-ray", "umbel-ray-2"),
    "chain-2": ("umbel-ray", "kserve"),
    "chain-4": ("hand-written", "umbel-ray", "umbel-ray-2", "ray-handles", "kserve"),
    "chain-8": ("hand-written", "umbel-ray", "umbel-ray-2"),
    "wide-10": ("umbel-ray", "ray-handles"),
    "mlp": ("umbel-local", "umbel-local-batched", "umbel-ray", "umbel-ray-batched"),
    "two-graphs": ("umbel-ray",),
}
"""The servers that a goal compares, by workload."""


def for_goals() -> tuple[Workload, ...]:
    """What the goals ask for and nothing else: half an hour instead of two."""
    return tuple(
        replace(
            workload,
            servers=COMPARED[workload.name],
            clients=tuple(c for c in workload.clients if c in (1, 32)),
            open_loop=False,
        )
        for workload in WORKLOADS
        if workload.name in COMPARED
    )
