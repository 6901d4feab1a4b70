"""Mistakes in ``umbel.dev/`` annotations: each a finding with its line and what to type."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.graph.findings import Finding
from umbel.k8s.resources import CODES
from umbel.k8s.translate import translate

SPEC = """
spec:
  nodes:
    root:
      routerType: Sequence
      steps:
      - {name: first, serviceUrl: "http://a/"}
      - {name: second, serviceUrl: "http://b/", data: $response}
      - {name: deep, nodeName: pair}
    pair:
      routerType: Ensemble
      steps:
      - {serviceName: iris}
      - {serviceName: iris}
      - {name: other, serviceUrl: "http://c/"}
"""


def findings(annotations: str, spec: str = SPEC) -> list[Finding]:
    """The findings about annotations; every one has a line, a fix and a code that is known."""
    text = (
        "apiVersion: serving.kserve.io/v1alpha1\nkind: InferenceGraph\n"
        "metadata:\n  name: g\n  annotations:\n"
        + textwrap.indent(textwrap.dedent(annotations).strip("\n"), "    ")
        + spec
    )
    found = [one for one in translate([("g.yaml", text)]).findings if one.code[4:] >= "K600"]
    for one in found:
        assert one.code in CODES, one
        assert one.fix, one
        assert one.place.line > 5, one
        assert one.place.path.startswith('metadata.annotations["umbel.dev/'), one
    return found


def only(annotations: str) -> Finding:
    (found,) = findings(annotations)
    return found


@pytest.mark.parametrize(
    ("annotations", "code", "message", "fix"),
    [
        ("umbel.dev/retries: '{root.frist: {}}'", "K602", "no step 'root.frist'",
         "did you mean 'root.first'?"),
        ("umbel.dev/retries: '{first: {}}'", "K602", "no step 'first'",
         "did you mean 'root.first'?"),
        ("umbel.dev/retries: '{root.deep: {}}'", "K608", "goes to the node 'pair'",
         "name the steps of 'pair' instead"),
        ("umbel.dev/retries: '{pair.iris: {}}'", "K611", "2 steps are called 'pair.iris'",
         "'pair.0' or 'pair.1'"),
        ("umbel.dev/retries: '{default: {attempt: 3}}'", "K603", "there is no 'attempt'",
         "did you mean 'attempts'?"),
        ("umbel.dev/retries: '{default: {attempts: 0}}'", "K604", "from 1 to 20",
         "write attempts: 3"),
        ("umbel.dev/retries: '{default: {attempts: true}}'", "K604", "the boolean true",
         "write attempts: 3"),
        ("umbel.dev/retries: '{default: {backoffMs: fast}}'", "K604", "the text 'fast'",
         "write backoffMs: 100"),
        ("umbel.dev/retries: '{default: {statuses: 503}}'", "K604", "a list of HTTP statuses",
         "write statuses: [502, 503, 504]"),
        ("umbel.dev/retries: '{default: {statuses: [50]}}'", "K604", "from 300 to 599",
         "write statuses"),
        ("umbel.dev/retries: 'three'", "K604", "expected settings by step", "write {default"),
        ("umbel.dev/retries: '{default: '", "K601", "cannot be read", ""),
        ("umbel.dev/retries: ''", "K601", "is empty", "remove the annotation"),
        ("umbel.dev/mirror: root.first", "K604", "expected a list of steps", "[root.shadow]"),
        ("umbel.dev/mirror: '[root.fist]'", "K602", "no step", "did you mean 'root.first'?"),
        ("umbel.dev/mirror: '[root.first, root.first]'", "K607", "stands here twice", "remove"),
        ("umbel.dev/mirror: '[{step: root.first, percent: 101}]'", "K604", "from 0 to 100",
         "percent: 100"),
        ("umbel.dev/mirror: '[{step: root.first, share: 1}]'", "K603", "no 'share'", "remove it"),
        ("umbel.dev/mirror: '[pair.0, pair.1, pair.2]'", "K607", "nothing would answer",
         "at least one step"),
        ("umbel.dev/propagate-headers: 'X-A'", "K604", "a list of regular expressions", "X-.*"),
        ("umbel.dev/propagate-headers: '[\"*-Trace\"]'", "K605", "no regular expression", "X-.*"),
        ("umbel.dev/inputs: '{root.deep: {x: \"$frist.y\"}}'", "K606", "names no step",
         "did you mean '$first.y'?"),
        ("umbel.dev/inputs: '{root.first: {x: \"$second.y\"}}'", "K606", "runs later",
         "an earlier step"),
        ("umbel.dev/inputs: '{root.first: {x: \"$first\"}}'", "K606", "or is this one",
         "an earlier step"),
        ("umbel.dev/inputs: '{pair.other: {x: \"$iris.y\"}}'", "K606", "2 steps are called so",
         "'$0'"),
        ("umbel.dev/inputs: '{pair.other: {x: \"$0.y\"}}'", "K606", "of type Ensemble no step sees",
         "use $request"),
        ("umbel.dev/inputs: '{root.first: [1]}'", "K604", "the keys of the step's body",
         "write {score"),
        ("umbel.dev/inputs: '{root.second: {x: $request}}'", "K609", "data has no effect",
         "remove data"),
        ("umbel.dev/inputs: '{root.first: {x: \"$5 off\"}}'", "K606", "names no step",
         "'$$5 off' for the text itself"),
        ("umbel.dev/output: '{x: \"$secnd\"}'", "K606", "names no step", "'$second'"),
        ("umbel.dev/output.pear: '{x: 1}'", "K602", "there is no node 'pear'",
         "'umbel.dev/output.pair'"),
        ("umbel.dev/intermediate-outputs: 'always'", "K604", "true, false or on-request",
         "write \"true\""),
        ("umbel.dev/edges: '{root.second: {protocol: v3}}'", "K604", "one of v1, v2, grpc-v2",
         "write protocol: v2"),
        ("umbel.dev/edges: '{root.second: {input: {}}}'", "K603", "no 'input'",
         "did you mean 'inputs'?"),
        ("umbel.dev/edges: '{root.second: {inputs: {A: 1.5}}}'", "K604",
         "the name or the number of an output", "write {protocol"),
        ("umbel.dev/edges: '{root.second: {protocol: grpc-v2}}'", "K608",
         "needs a gRPC address, but 'root.second' calls 'http://b/'",
         "serviceUrl: grpc://host:port/model"),
        ("umbel.dev/retrys: '{}'", "K610", "means nothing on an InferenceGraph",
         "did you mean 'umbel.dev/retries'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_finding(annotations: str, code: str, message: str, fix: str) -> None:
    found = only(annotations)
    assert found.code == f"UMB-{code}"
    assert message in found.message
    assert fix in found.fix
    assert found.place.line == 6
    assert found.severity == ("warning" if code in ("K609", "K610") else "error")


def test_the_line_inside_a_block() -> None:
    found = only(
        """
        umbel.dev/other-tool/no: x
        umbel.dev/retries: |
          default: {attempts: 2}
          # a comment
          root.first:
            attempts: 2
            backofMs: 5
        """.replace("umbel.dev/other-tool/no", "example.com/unrelated")
    )
    assert found.place.line == 12
    assert found.place.path == 'metadata.annotations["umbel.dev/retries"]["root.first"].backofMs'
    assert found.fix == "did you mean 'backoffMs'?"


def test_all_mistakes_are_told_at_once() -> None:
    found = findings(
        """
        umbel.dev/retries: '{root.x: {attempts: 99, statuses: [1, 2]}}'
        umbel.dev/mirror: '[root.y, 5]'
        umbel.dev/output: '{a: "$z", b: ["$q"]}'
        """
    )
    codes = ["K602", "K604", "K604", "K604", "K602", "K604", "K606", "K606"]
    assert [one.code[4:] for one in found] == codes
    assert {one.place.line for one in found} == {6, 7, 8}


def test_a_mirror_of_a_splitter_has_no_share() -> None:
    spec = """
spec:
  nodes:
    root:
      routerType: Splitter
      steps:
      - {name: a, serviceUrl: "http://a/", weight: 90}
      - {name: b, serviceUrl: "http://b/", weight: 10}
"""
    (found,) = findings("umbel.dev/mirror: '[root.b]'", spec)
    assert found.code == "UMB-K607"
    assert "weight: 0" in found.fix


def test_a_reply_of_a_mirror_cannot_be_used() -> None:
    (found,) = findings(
        """
        umbel.dev/mirror: '[root.first]'
        umbel.dev/output: '{x: "$first.y"}'
        """
    )
    assert "a mirror" in found.message


def test_a_path_that_looks_wrong_is_a_warning() -> None:
    (found,) = findings("umbel.dev/output: '{x: \"$first.a.#(b>1\"}'")
    assert (found.code, found.severity) == ("UMB-K612", "warning")


def test_a_mirror_needs_no_condition() -> None:
    spec = """
spec:
  nodes:
    root:
      routerType: Switch
      steps:
      - {name: a, serviceUrl: "http://a/", condition: x}
      - {name: b, serviceUrl: "http://b/"}
"""
    text = (
        "apiVersion: serving.kserve.io/v1alpha1\nkind: InferenceGraph\nmetadata:\n  name: g\n"
        + "  annotations: {umbel.dev/mirror: '[root.b]'}"
        + spec
    )
    assert translate([("g.yaml", text)]).findings == ()
    plain = translate([("g.yaml", text.replace("umbel.dev/mirror", "x/y"))])
    assert [one.code for one in plain.findings] == ["UMB-K120"]


def test_a_graph_with_a_mistake_is_not_served() -> None:
    text = (
        "apiVersion: serving.kserve.io/v1alpha1\nkind: InferenceGraph\nmetadata:\n  name: g\n"
        + "  annotations: {umbel.dev/mirror: '[root.x]'}"
        + SPEC
    )
    assert translate([("g.yaml", text)]).program.served == ()


@given(st.sampled_from(["retries", "mirror", "inputs", "output", "edges", "propagate-headers",
                        "intermediate-outputs"]),
       st.recursive(
           st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
           | st.text(st.characters(codec="ascii", exclude_characters="\x7f"), max_size=8)
           | st.sampled_from(["root.first", "pair.0", "$first", "default", "v2", "$request.a"]),
           lambda inner: st.lists(inner, max_size=3)
           | st.dictionaries(
               st.sampled_from(["root.first", "pair.2", "default", "inputs", "step", "protocol",
                                "attempts", "x"]), inner, max_size=3),
           max_leaves=8))  # fmt: skip
def test_any_value_gives_findings_or_a_graph(name: str, value: object) -> None:
    import json

    text = json.dumps(json.dumps(value))
    findings(f"umbel.dev/{name}: {text}")
