from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Check = Callable[..., Any]

ONE = "root: {routerType: Sequence, steps: [{name: a, serviceUrl: http://a.example/x}]}"


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("triage", True),
        ("a", True),
        ("iris-2", True),
        ("a-1-b", True),
        ("Iris-1", False),
        ("1iris", False),
        ("-iris", False),
        ("iris-", False),
        ("iris.v1", False),
        ("iris v1", False),
        ("iris_v1", False),
        ("été", False),
    ],
)
def test_names_are_checked_as_by_the_webhook(graph: Check, name: str, accepted: bool) -> None:
    found = graph(ONE, name=name)
    assert found.codes() == ([] if accepted else ["K101"])
    if not accepted:
        assert repr(name) in found.only("K101").message


WEBHOOK = {
    "with root": (ONE, []),
    "without root": (ONE.replace("root:", "start:"), ["K102"]),
    "splitter that sums to 110": (
        "root: {routerType: Splitter, steps: [{serviceUrl: http://a, weight: 80},"
        " {serviceUrl: http://b, weight: 30}]}",
        ["K107"],
    ),
    "splitter that sums to 100": (
        "root: {routerType: Splitter, steps: [{serviceUrl: http://a, weight: 80},"
        " {serviceUrl: http://b, weight: 20}]}",
        [],
    ),
    "splitter without a weight": (
        "root: {routerType: Splitter, steps: [{serviceUrl: http://a, weight: 80},"
        " {serviceUrl: http://b}]}",
        ["K106"],
    ),
    "splitter with a weight of text": (
        'root: {routerType: Splitter, steps: [{serviceUrl: http://a, weight: "100"}]}',
        ["K016"],
    ),
    "step without target": ("root: {routerType: Sequence, steps: [{name: a}]}", ["K104"]),
    "two targets": (
        "root: {routerType: Sequence, steps: [{nodeName: root2, serviceUrl: http://a}]}\n"
        "root2: {routerType: Sequence, steps: [{serviceUrl: http://a}]}",
        ["K105"],
    ),
    "three targets": (
        "root: {routerType: Sequence, steps:"
        " [{nodeName: b, serviceName: s, serviceUrl: http://a}]}\n"
        "b: {routerType: Sequence, steps: [{serviceUrl: http://a}]}",
        ["K105"],
    ),
    "same step name twice": (
        "root: {routerType: Sequence, steps: [{name: a, serviceUrl: http://a},"
        " {name: a, serviceUrl: http://b}]}",
        ["K103"],
    ),
    "same step name in two nodes": (
        "root: {routerType: Sequence, steps: [{name: a, nodeName: b}]}\n"
        "b: {routerType: Sequence, steps: [{name: a, serviceUrl: http://b}]}",
        [],
    ),
    "unnamed steps": (
        "root: {routerType: Sequence, steps: [{serviceUrl: http://a}, {serviceUrl: http://b}]}",
        [],
    ),
    "unknown router": ("root: {routerType: Single, steps: [{serviceUrl: http://a}]}", ["K017"]),
    "no router": ("root: {steps: [{serviceUrl: http://a}]}", ["K018"]),
    "unknown dependency": (
        "root: {routerType: Sequence, steps: [{serviceUrl: http://a, dependency: Firm}]}",
        ["K017"],
    ),
    "no nodes": ("", ["K018"]),
}


@pytest.mark.parametrize(("nodes", "codes"), WEBHOOK.values(), ids=WEBHOOK)
def test_what_the_webhook_and_the_crd_refuse(graph: Check, nodes: str, codes: list[str]) -> None:
    assert graph(nodes).codes("error") == codes


NEVER = {
    "dangling": (
        "root: {routerType: Sequence, steps: [{nodeName: ensmble}]}\n"
        "ensemble: {routerType: Ensemble, steps: [{name: a, serviceUrl: http://a}]}",
        ["K110"],
        "did you mean 'ensemble'?",
    ),
    "no steps": ("root: {routerType: Switch}", ["K112"], ""),
    "empty steps": ("root: {routerType: Switch, steps: []}", ["K112"], ""),
    "self": ("root: {routerType: Sequence, steps: [{nodeName: root}]}", ["K111"], ""),
}


@pytest.mark.parametrize(("nodes", "codes", "fix"), NEVER.values(), ids=NEVER)
def test_what_can_never_work(graph: Check, nodes: str, codes: list[str], fix: str) -> None:
    found = graph(nodes)
    assert found.codes("error") == codes
    assert fix in found.only(codes[0]).fix


def test_a_circle_is_told_once_with_its_nodes_and_the_step_that_closes_it(graph: Check) -> None:
    found = graph("""
        root: {routerType: Sequence, steps: [{nodeName: a}]}
        a:
          routerType: Ensemble
          steps:
          - {name: one, nodeName: b}
          - {name: two, nodeName: b}
        b:
          routerType: Sequence
          steps:
          - {nodeName: a}
    """)
    assert found.codes() == ["K111"]
    finding = found.only("K111")
    assert "a -> b -> a" in finding.message
    assert str(finding.place) == "f0.yaml:16 spec.nodes.b.steps[0].nodeName"


def test_a_node_may_be_reached_in_two_ways(graph: Check) -> None:
    assert (
        graph("""
        root: {routerType: Ensemble, steps: [{name: one, nodeName: b}, {name: two, nodeName: a}]}
        a: {routerType: Sequence, steps: [{nodeName: b}]}
        b: {routerType: Sequence, steps: [{serviceUrl: "http://b"}]}
    """).codes()
        == []
    )


def test_a_long_chain_of_nodes_is_checked(graph: Check) -> None:
    nodes = ["root: {routerType: Sequence, steps: [{nodeName: n0}]}"]
    nodes += [
        f"n{at}: {{routerType: Sequence, steps: [{{nodeName: n{at + 1}}}]}}" for at in range(3000)
    ]
    assert graph("\n".join(nodes)).codes() == ["K110"]


STEP = "serviceUrl: http://a"
MISTAKES = {
    "switch without condition": (f"root: {{routerType: Switch, steps: [{{{STEP}}}]}}", ["K120"]),
    "condition on the first step": (
        f"root: {{routerType: Sequence, steps: [{{{STEP}, condition: x}}]}}",
        ["K121"],
    ),
    "unreachable": (
        f"{ONE}\nother: {{routerType: Sequence, steps: [{{{STEP}}}]}}",
        ["K122"],
    ),
    "hard in a switch": (
        f"root: {{routerType: Switch, steps: [{{{STEP}, condition: x, dependency: Hard}}]}}",
        ["K123"],
    ),
    "hard in a splitter": (
        f"root: {{routerType: Splitter, steps: [{{{STEP}, weight: 100, dependency: Hard}}]}}",
        ["K123"],
    ),
    "hard in a sequence": (
        f"root: {{routerType: Sequence, steps: [{{{STEP}, dependency: Hard}}]}}",
        [],
    ),
    "unnamed ensemble": (f"root: {{routerType: Ensemble, steps: [{{{STEP}}}]}}", ["K124"]),
    "part of a response": (
        f"root: {{routerType: Sequence, steps: [{{{STEP}}},"
        f" {{{STEP}, data: $response.predictions}}]}}",
        ["K125"],
    ),
    "request and response": (
        f"root: {{routerType: Sequence, steps: [{{{STEP}, data: $request}},"
        f" {{{STEP}, data: $response}}]}}",
        [],
    ),
    "response on the first step": (
        f"root: {{routerType: Sequence, steps: [{{{STEP}, data: $response}}]}}",
        ["K126"],
    ),
    "condition in an ensemble": (
        f"root: {{routerType: Ensemble, steps: [{{name: a, {STEP}, condition: x}}]}}",
        ["K126"],
    ),
    "negative weight": (
        f"root: {{routerType: Splitter, steps: [{{{STEP}, weight: 150}},"
        f" {{{STEP}, weight: -50}}]}}",
        ["K127"],
    ),
    "weight outside a splitter": (
        f"root: {{routerType: Sequence, steps: [{{{STEP}, weight: 100}}]}}",
        ["K128"],
    ),
    "not a url": (
        "root: {routerType: Sequence, steps: [{serviceUrl: single-1.default}]}",
        ["K131"],
    ),
    "a template in a url": (
        'root: {routerType: Sequence, steps: [{serviceUrl: "http://a.{$domain}/x"}]}',
        ["K131"],
    ),
    "unknown service": (
        "root: {routerType: Sequence, steps: [{serviceName: iris}]}",
        ["K129"],
    ),
}


@pytest.mark.parametrize(("nodes", "codes"), MISTAKES.values(), ids=MISTAKES)
def test_what_kserve_runs_is_only_warned_about(graph: Check, nodes: str, codes: list[str]) -> None:
    found = graph(nodes)
    assert found.codes("error") == []
    assert found.codes("warning") == codes


def test_conditions_are_looked_at_by_the_given_function(graph: Check) -> None:
    nodes = f"root: {{routerType: Switch, steps: [{{{STEP}, condition: 'a && b'}}]}}"
    assert graph(nodes).codes() == []
    found = graph(nodes, condition_problems=lambda text: [f"{text} has no &&"])
    assert found.codes() == ["K130"]
    assert "a && b has no &&" in found.only("K130").message


def test_all_findings_come_at_once_in_the_order_of_the_file(graph: Check) -> None:
    found = graph(
        """
        root: {routerType: Splitter, steps: [{serviceUrl: "http://a", weight: 80}, {weight: 30}]}
        other: {routerType: Sequence, steps: [{nodeName: gone}, {name: x}, {name: x}]}
    """,
        name="Bad",
    )
    expected = ["K101", "K103", "K104", "K104", "K104", "K107", "K110", "K122"]
    assert sorted(found.codes()) == expected
    lines = [one.place.line for one in found.findings]
    assert lines == sorted(lines)


GRAPH = """
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: g, namespace: %s}
spec: {nodes: {root: {routerType: Sequence, steps: [{serviceName: %s}]}}}
"""
SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: models}
spec: {predictor: {sklearn: {storageUri: gs://b/iris}}}
"""


def test_a_service_is_found_in_any_file_of_the_namespace(check: Check) -> None:
    assert check(GRAPH % ("models", "iris"), SERVICE).codes() == []
    elsewhere = check(GRAPH % ("default", "iris"), SERVICE)
    assert elsewhere.codes() == ["K129"]
    assert "namespace 'models'" in elsewhere.only("K129").message
    assert "did you mean 'iris'?" in check(GRAPH % ("models", "irs"), SERVICE).only("K129").fix
    assert "InferenceGraph" in check(GRAPH % ("models", "g"), SERVICE).only("K129").message


def test_two_graphs_of_one_name_are_an_error_that_names_both(check: Check) -> None:
    one = GRAPH % ("models", "iris")
    found = check(one, one, SERVICE)
    assert found.codes() == ["K020"]
    assert "f0.yaml:4" in found.only("K020").message
    assert found.only("K020").place.file == "f1.yaml"
    assert check(one, GRAPH % ("other", "x"), SERVICE).codes("error") == []
