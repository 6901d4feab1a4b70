"""PMML documents answer as the model they describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from umbel.graph.decorators import predictor
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.implementations import ModelFile
from umbel.nodes.pmml_model import PmmlModel, open_model

IRIS = load_iris(as_frame=True)
ROWS = IRIS.data.to_numpy()
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def opened(path: Path, **settings: object) -> PmmlModel:
    return open_model(ModelFile("pmml", str(path), options=settings))


def document(model: str) -> str:
    fields = "".join(
        f'<DataField name="{name}" optype="continuous" dataType="double"/>' for name in NAMES
    )
    classes = "".join(f'<Value value="{number}"/>' for number in range(3))
    return (
        '<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/><DataDictionary>'
        f'{fields}<DataField name="y" optype="categorical" dataType="integer">{classes}'
        f"</DataField></DataDictionary>{model}</PMML>"
    )


def mining() -> str:
    fields = "".join(f'<MiningField name="{name}"/>' for name in NAMES)
    return f'<MiningSchema>{fields}<MiningField name="y" usageType="target"/></MiningSchema>'


def regression(model: Any) -> str:
    tables = "".join(
        f'<RegressionTable intercept="{intercept}" targetCategory="{number}">'
        + "".join(
            f'<NumericPredictor name="{name}" coefficient="{weight}"/>'
            for name, weight in zip(NAMES, weights, strict=True)
        )
        + "</RegressionTable>"
        for number, (intercept, weights) in enumerate(
            zip(model.intercept_, model.coef_, strict=True)
        )
    )
    return document(
        '<RegressionModel functionName="classification" normalizationMethod="softmax">'
        f"{mining()}{tables}</RegressionModel>"
    )


def tree(model: Any) -> str:
    inner = model.tree_

    def node(at: int, predicate: str) -> str:
        shares = inner.value[at][0]
        counts = "".join(
            f'<ScoreDistribution value="{k}" recordCount="{share * inner.n_node_samples[at]}"/>'
            for k, share in enumerate(shares)
        )
        children = ""
        if inner.children_left[at] != -1:
            where = f'field="{NAMES[inner.feature[at]]}" value="{inner.threshold[at]}"'
            children = node(
                inner.children_left[at], f'<SimplePredicate operator="lessOrEqual" {where}/>'
            ) + node(inner.children_right[at], f'<SimplePredicate operator="greaterThan" {where}/>')
        head = f'id="{at}" score="{shares.argmax()}" recordCount="{inner.n_node_samples[at]}"'
        return f"<Node {head}>{predicate}{counts}{children}</Node>"

    return document(
        '<TreeModel functionName="classification" splitCharacteristic="binarySplit">'
        f"{mining()}{node(0, '<True/>')}</TreeModel>"
    )


@pytest.fixture(params=["regression", "tree"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Path]:
    if request.param == "tree":
        model: Any = DecisionTreeClassifier(max_depth=3, random_state=0).fit(ROWS, IRIS.target)
        text = tree(model)
    else:
        model = LogisticRegression(max_iter=1000).fit(ROWS, IRIS.target)
        text = regression(model)
    (tmp_path / "model.pmml").write_text(text)
    return model, tmp_path


def test_it_answers_as_the_model(case: tuple[Any, Path]) -> None:
    model, folder = case
    np.testing.assert_array_equal(opened(folder).predict(x=ROWS), model.predict(ROWS))
    np.testing.assert_allclose(
        opened(folder, method="predict_proba").predict(x=ROWS), model.predict_proba(ROWS)
    )


def test_fields_by_name_and_by_place(case: tuple[Any, Path]) -> None:
    model, folder = case
    runtime = opened(folder)
    named = IRIS.data.set_axis(NAMES, axis=1)[NAMES[::-1]]
    for sent in (ROWS.tolist(), named, named.to_dict("records"), named.to_dict("list")):
        np.testing.assert_array_equal(runtime.predict(x=sent), model.predict(ROWS))
    for wrong in (ROWS[:, :2], named.iloc[:, :2], [["a", 1, 2, 3]]):
        with pytest.raises(InvalidInput, match="x"):
            runtime.predict(x=wrong)


@pytest.mark.parametrize("content", ["", "garbage", "<PMML/>", document("<Nothing/>")])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.pmml").write_text(content)
    with pytest.raises(DeclarationError, match="model.pmml"):
        opened(tmp_path)


def test_half_a_file_and_entities_are_refused(case: tuple[Any, Path]) -> None:
    path = case[1] / "model.pmml"
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(DeclarationError, match="no complete PMML file"):
        opened(path)
    path.write_text('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + text)
    with pytest.raises(DeclarationError, match="document type or entities"):
        opened(path)


def test_a_node_of_a_document(case: tuple[Any, Path]) -> None:
    model, folder = case
    node = predictor("pmml", uri=str(folder))
    assert node(ROWS[:60]).tolist() == model.predict(ROWS[:60]).tolist()
