"""Extensions of graphs from YAML in ``umbel show``."""

from __future__ import annotations

from umbel.graph.picture import RENDERERS, draw
from umbel.k8s.translate import translate

TEXT = """
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata:
  name: g
  annotations:
    umbel.dev/retries: '{default: {attempts: 4}}'
    umbel.dev/mirror: '[{step: root.s, percent: 5}]'
    umbel.dev/inputs: '{root.b: {x: "$a.score"}}'
    umbel.dev/edges: '{root.b: {protocol: v2}}'
    umbel.dev/output: '{y: "$b.label"}'
    umbel.dev/intermediate-outputs: on-request
spec:
  nodes:
    root:
      routerType: Sequence
      steps:
      - {name: a, serviceUrl: "http://a/"}
      - {name: s, serviceUrl: "http://s/", condition: sure}
      - {name: b, serviceUrl: "http://b/"}
"""


def test_everything_that_was_asked_for_is_drawn() -> None:
    program = translate([("g.yaml", TEXT)]).program
    tree = draw(program, "tree")
    for words in (
        "answer, and steps on request",
        "compose answer",
        "mirror 5 %  (mirror)",
        "→ V2",
        "score ← note a",
        "label ← note b",
        "a: message (up to 4 times)",
        "if ← sure",
        "s: message  (service)",
    ):
        assert words in tree, (words, tree)
    for form in RENDERERS:
        assert draw(program, form)
