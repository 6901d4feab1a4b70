"""The ``alibi`` and ``art`` blocks of an InferenceService, of old and new shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from umbel.cli.files import load
from umbel.graph.implementations import LibraryExplainer
from umbel.graph.steps import Explain, GraphName

V1BETA1 = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: income, annotations: {annotations}}}
spec:
  predictor: {{model: {{modelFormat: {{name: sklearn}}, storageUri: models/income}}}}
  explainer: {explainer}
"""
V1ALPHA2 = """
apiVersion: serving.kubeflow.org/v1alpha2
kind: InferenceService
metadata: {name: income}
spec:
  default:
    predictor: {sklearn: {storageUri: models/income}}
    explainer:
      minReplicas: 1
      alibi: {type: AnchorTabular, storageUri: explainer, config: {threshold: "0.9"}}
"""


def read(tmp_path: Path, explainer: str, annotations: str = "{}") -> tuple[LibraryExplainer, list]:
    np.savez(tmp_path / "rows.npz", x=np.zeros((4, 3)))
    file = tmp_path / "service.yaml"
    whole = "apiVersion" in explainer
    file.write_text(
        explainer if whole else V1BETA1.format(explainer=explainer, annotations=annotations)
    )
    loaded = load([str(file)])
    graph = loaded.program.graphs.get(GraphName("income/explainer"))
    findings = [f for f in loaded.findings if f.code in ("UMB-K511", "UMB-K514")]
    if graph is None:
        return None, findings  # type: ignore[return-value]
    (step,) = [s for s in graph.steps if isinstance(s, Explain)]
    assert step.graph == "income"
    assert loaded.program.graphs[GraphName("income")].explainer == graph.name
    code = graph.nodes[step.node].code
    assert isinstance(code, LibraryExplainer)
    return code, findings


def test_todays_shape(tmp_path: Path) -> None:
    config = '{threshold: "0.9", beam_size: "2", stop_on_first: "true"}'
    block = f"{{alibi: {{type: AnchorTabular, storageUri: explainer, config: {config}}}}}"
    code, findings = read(tmp_path, block)
    assert findings == []
    assert code.method == "alibi-anchor-tabular"
    assert code.uri == str(tmp_path / "explainer")
    assert code.settings == {"threshold": 0.9, "beam_size": 2, "stop_on_first": True}


def test_the_shape_of_v1alpha2(tmp_path: Path) -> None:
    code, findings = read(tmp_path, V1ALPHA2)
    assert findings == []
    assert (code.method, code.settings) == ("alibi-anchor-tabular", {"threshold": 0.9})


def test_the_art_block(tmp_path: Path) -> None:
    config = '{nb_classes: "3", max_iter: "50"}'
    code, findings = read(tmp_path, f"{{art: {{type: SquareAttack, config: {config}}}}}")
    assert findings == []
    assert (code.method, code.settings) == ("art-square-attack", {"nb_classes": 3, "max_iter": 50})


def test_tree_shap_gets_the_predictors_model(tmp_path: Path) -> None:
    code, _ = read(tmp_path, "{alibi: {type: TreeShap}}")
    assert code.model is not None
    assert code.model.uri == str(tmp_path / "models/income")


def test_what_alibi_saved_may_be_allowed(tmp_path: Path) -> None:
    block = "{alibi: {type: AnchorTabular, storageUri: explainer}}"
    notes = '{umbel.dev/allow-pickle: "true", umbel.dev/explainer-sha256: "ab"}'
    code, _ = read(tmp_path, block, notes)
    assert code.settings == {"allow_pickle": True, "sha256": "ab"}


@pytest.mark.parametrize(
    ("explainer", "said"),
    [
        ("{alibi: {type: Counterfactuals}}", "does not run the alibi explainer 'Counterfactuals'"),
        ("{aix: {type: LimeImages}}", "does not run the explainer block 'aix'"),
        ("{alibi: {type: AnchorTabular}}", "is fitted to training rows"),
    ],
)
def test_what_cannot_run_is_a_warning_and_501(tmp_path: Path, explainer: str, said: str) -> None:
    code, findings = read(tmp_path, explainer)
    assert code is None
    assert [f.code for f in findings] == ["UMB-K511"]
    assert said in findings[0].message


def test_settings_that_mean_nothing_are_named_with_their_line(tmp_path: Path) -> None:
    config = '{treshold: "0.9", delta: "7", threshold: "0.8"}'
    block = f"{{alibi: {{type: AnchorText, config: {config}}}}}"
    code, findings = read(tmp_path, block)
    assert code.settings == {"threshold": 0.8}
    assert [f.code for f in findings] == ["UMB-K514", "UMB-K514"]
    assert "'treshold' is not known" in findings[0].message
    assert "at most 1" in findings[1].message
    assert "service.yaml:7" in str(findings[0].place)
