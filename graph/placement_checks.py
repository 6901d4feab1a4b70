"""What contradicts itself in where nodes are to run, before any machine is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from umbel.graph.findings import Finding
from umbel.graph.ir import Graph, Node, Program
from umbel.graph.options import NodeOptions
from umbel.graph.placement import Placement, label_problem

ENVIRONMENT = (
    "env_vars", "py_executable", "pip", "uv", "conda", "working_dir", "py_modules", "excludes",
    "image_uri", "container", "config", "worker_process_setup_hook", "nsight", "rocprof_sys",
)  # fmt: skip
"""What a Ray ``runtime_env`` may hold."""

_INSTALLERS = ("pip", "uv", "conda")


def placement_findings(program: Program) -> Iterator[Finding]:
    """``UMB-G251``: nodes that go together and cannot; ``G252``: a placement or an environment
    that nobody can read."""
    for graph in program:
        asked = graph.settings.get("placement")
        if isinstance(asked, Placement):
            for what, fix in placement_problems(asked):
                yield Finding("error", "UMB-G252", what, graph.place, fix, graph.name)
        for node in graph.nodes.values():
            problems = [
                *placement_problems(node.options.placement),
                *environment_problems(node.options.env or {}),
            ]
            for what, fix in problems:
                yield Finding("error", "UMB-G252", what, node.place, fix, node.name)
        yield from _together(graph)


def placement_problems(asked: Placement) -> Iterator[tuple[str, str]]:
    """What is wrong with a placement, each with a fix."""
    for key, selector in asked.labels.items():
        problem = label_problem(key, selector)
        if problem:
            yield problem, f'labels={{"{key}": "value"}}'
    if asked.per_machine is not None and not 1 <= asked.per_machine <= 100:
        yield f"per_machine={asked.per_machine} is not from 1 to 100", "leave it out for no limit"
    if asked.apart and asked.per_machine and asked.per_machine > 1:
        yield (
            f"apart={asked.apart!r} allows one replica on a machine, per_machine="
            f"{asked.per_machine} more",
            "drop one of them",
        )


def environment_problems(env: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What is wrong with a ``runtime_env``, each with a fix."""
    for name in env:
        if name not in ENVIRONMENT:
            yield f"env has no {name!r}; it may hold {', '.join(ENVIRONMENT)}", "correct the name"
    given = [name for name in _INSTALLERS if name in env]
    if len(given) > 1:
        yield f"env has {' and '.join(given)}: Ray takes one of them", f"keep {given[0]!r}"
    variables = env.get("env_vars", {})
    if not isinstance(variables, Mapping) or not all(
        isinstance(item, str) for pair in variables.items() for item in pair
    ):
        yield "env_vars is no mapping from text to text", 'env={"env_vars": {"NAME": "1"}}'
    python = env.get("py_executable", "")
    if not isinstance(python, str):
        yield f"py_executable is {python!r}, no command", 'env={"py_executable": "/…/bin/python"}'
    elif python.startswith("/") and not Path(python.split()[0]).exists():
        yield (
            f"py_executable {python.split()[0]} is not on this machine",
            "make the environment first, on every machine that the node may run on",
        )


def _together(graph: Graph) -> Iterator[Finding]:
    groups: dict[str, list[Node]] = {}
    for node in graph.nodes.values():
        if node.options.placement.together:
            groups.setdefault(node.options.placement.together, []).append(node)
    for word, nodes in groups.items():
        first = nodes[0]
        for node in nodes[1:]:
            for what, one, other in _differences(first.options, node.options):
                yield Finding(
                    "error",
                    "UMB-G251",
                    f"{first.name!r} and {node.name!r} go together as {word!r} in one replica, "
                    f"and ask for different {what}: {one} and {other}",
                    node.place,
                    "give both the same, or drop together= of one",
                    node.name,
                )
        gpus = sum(node.options.resources.gpus for node in nodes)
        if gpus > 1 and round(gpus, 4) != int(gpus):
            yield Finding(
                "error",
                "UMB-G251",
                f"the nodes that go together as {word!r} ask for {gpus:g} GPUs in one replica; "
                "above 1 only whole GPUs can be had",
                nodes[-1].place,
                "make the sum a whole number",
                nodes[-1].name,
            )
        for node in nodes:
            if node.options.fuse != "auto":
                yield Finding(
                    "error",
                    "UMB-G251",
                    f'{node.name!r} goes together as {word!r} and has fuse="{node.options.fuse}"',
                    node.place,
                    "drop one of them",
                    node.name,
                )


def _differences(one: NodeOptions, other: NodeOptions) -> Iterator[tuple[str, object, object]]:
    pairs = (
        ("scale", one.scale, other.scale),
        ("env", one.env, other.env),
        ("accelerator", one.resources.accelerator, other.resources.accelerator),
        ("pool", one.placement.pool_name, other.placement.pool_name),
        ("per_machine", one.placement.per_machine, other.placement.per_machine),
        ("apart", one.placement.apart, other.placement.apart),
    )
    yield from ((what, a, b) for what, a, b in pairs if a and b and a != b)
    for key in one.placement.labels.keys() & other.placement.labels.keys():
        a, b = one.placement.labels[key], other.placement.labels[key]
        if a != b:
            yield f"label {key}", a, b
