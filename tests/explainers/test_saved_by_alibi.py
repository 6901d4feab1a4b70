"""Folders that alibi itself saved: pickles, so only with permission, and then as before."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from explainer_libraries import alibi_or_skip
from umbel import Tensor, UmbelError, explainer, predictor

alibi_or_skip()
pytestmark = pytest.mark.slow

DATA = load_breast_cancer()
X = (DATA.data - DATA.data.mean(axis=0)) / DATA.data.std(axis=0)
MODEL = LogisticRegression(max_iter=500).fit(X, DATA.target)
ASKED = {"coverage_samples": 300, "threshold": 0.8}
ALLOWED = {"allow_pickle": True}

# In a process of its own: dill follows the names of the module that saves, and a test's lead
# to all of pytest.
SAVE = """
import json, sys
from alibi.explainers import AnchorTabular
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

data = load_breast_cancer()
x = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
model = LogisticRegression(max_iter=500).fit(x, data.target)
names = [str(name) for name in data.feature_names]
saved = AnchorTabular(model.predict, names, seed=0, dtype=x.dtype).fit(x)
print(json.dumps(saved.explain(x[3], **json.loads(sys.argv[2])).data["anchor"]))
saved.save(sys.argv[1])
"""


Rows = Tensor["batch", 30]
Labels = Tensor["batch"]


@predictor
def tumour(x: Rows) -> Labels:
    return MODEL.predict(x)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder, and the anchor that alibi found before it saved."""
    folder = tmp_path_factory.mktemp("alibi")
    words = [sys.executable, "-W", "ignore", "-c", SAVE, str(folder), json.dumps(ASKED)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=300)
    return folder, json.loads(done.stdout)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def why(folder: Path, **settings: Any) -> Any:
    return explainer("alibi-anchor-tabular", of=tumour, uri=str(folder), settings=settings)


def test_it_is_refused_without_permission(saved: tuple[Path, list[str]]) -> None:
    with pytest.raises(UmbelError, match="can run any code"):
        why(saved[0])(X[3:4], ASKED)


def test_with_permission_it_explains_as_before(saved: tuple[Path, list[str]]) -> None:
    folder, anchor = saved
    np.random.seed(0)
    assert why(folder, **ALLOWED)(X[3:4], ASKED)["data"]["anchor"] == anchor


def test_a_lone_pickle_as_kserves_samples_have_it(
    saved: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, anchor = saved
    (tmp_path / "explainer.dill").write_bytes((folder / "explainer.dill").read_bytes())
    np.random.seed(0)
    assert why(tmp_path, **ALLOWED)(X[3:4], ASKED)["data"]["anchor"] == anchor


def test_what_is_no_pickle_is_told(saved: tuple[Path, list[str]], tmp_path: Path) -> None:
    for file in saved[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "explainer.dill").write_bytes(b"not a pickle")
    with pytest.raises(UmbelError, match=r"alibi .* cannot read"):
        why(tmp_path, **ALLOWED)(X[3:4], ASKED)
