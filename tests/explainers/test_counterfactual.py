"""Counterfactuals: trained once, kept without pickle, those of alibi called by hand."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from explainer_libraries import alibi_or_skip
from loopback_server import serving
from umbel import DeclarationError, Tensor, UmbelError, explainer, inference_graph, predictor

alibi_or_skip()
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow

DRAW = np.random.RandomState(0)
X = np.c_[
    DRAW.normal(40, 10, 400), DRAW.normal(3, 1, 400), DRAW.randint(0, 3, 400)
]  # age, pay, job
NAMES, CATEGORIES = ["age", "pay", "job"], {2: ["a", "b", "c"]}
MODEL = LogisticRegression(max_iter=500).fit(X, X[:, 0] + 10 * (X[:, 2] == 1) > 42)
SETTINGS = {
    "feature_names": NAMES,
    "categorical_names": CATEGORIES,
    "autoencoder_steps": 60,
    "train_steps": 40,
    "hidden_dim": 16,
    "latent_dim": 4,
}
METHOD = "alibi-counterfactual-rl-tabular"
Rows = Tensor["float64", "batch", 3]
Chances = Tensor["batch", 2]
Labels = Tensor["int64", "batch"]


@predictor
def chances(x: Rows) -> Chances:
    return MODEL.predict_proba(x)


@predictor
def labels(x: Rows) -> Labels:
    return MODEL.predict(x).astype(int)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, _quiet: None) -> str:
    where = tmp_path_factory.mktemp("saved") / "why"
    np.random.seed(3)
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    explainer(METHOD, of=chances, train=X, settings=SETTINGS).save(where)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    return str(where)


def by_hand(folder: str) -> Any:
    """alibi's own explainer, trained from the saved autoencoder with the same seed."""
    from umbel.explainers import counterfactual_networks as door

    weights = np.load(Path(folder) / "weights.npz", allow_pickle=False)
    encoder, decoder = door.ADULTEncoder(16, 4), door.ADULTDecoder(16, [2, 3])
    for name, network in (("encoder", encoder), ("decoder", decoder)):
        own = {k.partition(".")[2]: torch.tensor(weights[k]) for k in weights if k.startswith(name)}
        network.load_state_dict(own)
    encode, decode = door.get_he_preprocessor(X, NAMES, CATEGORIES)
    return door.CounterfactualRLTabular(
        lambda x: MODEL.predict_proba(np.asarray(x, float)),
        encoder,
        decoder,
        encode,
        decode,
        coeff_sparsity=0.5,
        coeff_consistency=0.5,
        feature_names=NAMES,
        category_map=CATEGORIES,
        latent_dim=4,
        backend="pytorch",
        seed=0,
        train_steps=40,
        num_workers=0,
        batch_size=100,
    )


def test_the_explanation_is_that_of_alibi(folder: str) -> None:
    direct = by_hand(folder)
    after_building = np.random.get_state()
    direct.fit(X)
    expected = direct.explain(X[:4], np.array([1, 1, 0, 0]), C=[{"age": [-0.5, 0.5]}])
    expected.meta["params"]["device"] = "cpu"
    plain = json.loads(expected.to_json())
    why = explainer(METHOD, of=chances, uri=folder)
    asked = {"target": [1, 1, 0, 0], "conditions": {"age": [-0.5, 0.5]}}
    for _ in range(2):
        found = why(X[:4], asked)
        assert found["data"] == plain["data"]
    assert found["budget"]["samples"] == 16
    np.random.set_state(after_building)
    several = direct.explain(X[:1], np.array([1]), C=[{}], diversity=True, num_samples=3)
    found = why(X[:1], {"target": 1, "diversity": True, "num_samples": 3})
    assert found["data"]["cf"]["X"] == json.loads(json.dumps(several.data["cf"]["X"].tolist()))


def test_what_must_not_change_does_not(tmp_path: Path) -> None:
    settings = {**SETTINGS, "immutable_features": ["job"], "ranges": {"age": [0, 1]}}
    explainer(METHOD, of=labels, train=X, settings=settings).save(tmp_path)
    found = explainer(METHOD, of=labels, uri=str(tmp_path))(X[:20])
    before, after = (np.array(found["data"][k]["X"], float) for k in ("orig", "cf"))
    np.testing.assert_array_equal(before[:, 2], after[:, 2])
    assert (after[:, 0] >= before[:, 0] - 1e-4).all()
    assert np.array(found["data"]["target"]).reshape(-1).tolist() == (1 - labels(X[:20])).tolist()


def test_a_folder_holds_numbers_and_text_only(folder: str) -> None:
    files = {file.name for file in Path(folder).iterdir()}
    assert files == {"explainer.json", "train.npz", "weights.npz"}
    with np.load(Path(folder) / "weights.npz", allow_pickle=False) as weights:
        assert all(weights[name].dtype.kind in "if" for name in weights.files)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"target": 2}, "'target': expected a class from 0 to 1"),
        ({"target": [0, 1]}, "'target'"),
        ({"conditions": {"height": [0, 1]}}, "no feature 'height'"),
        ({"conditions": {"age": [0.5, 1]}}, "'age' is \\[-1 to 0, 0 to 1\\]"),
        ({"conditions": {"job": ["pilot"]}}, "'job' is a list of some of"),
        ({"conditions": [{}, {}, {}]}, "a list of 1 or 1"),
        ({"num_sampels": 3}, "'num_sampels' is not known"),
    ],
)
def test_a_callers_mistakes(folder: str, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UmbelError, match=said) as caught:
        explainer(METHOD, of=chances, uri=folder)(X[:1], asked)
    assert caught.value.status == 400


@pytest.mark.parametrize("row", [[40.0, np.nan, 1.0], [40.0, 3.0, 7.0]])
def test_rows_that_the_networks_cannot_take(folder: str, row: list[float]) -> None:
    @predictor
    def easy(x: Rows) -> Chances:
        return MODEL.predict_proba(np.nan_to_num(x))

    with pytest.raises(UmbelError, match="instances: ") as caught:
        explainer(METHOD, of=easy, uri=folder)(np.array([row]))
    assert caught.value.status == 400


def test_training_comes_before_serving(tmp_path: Path, folder: str) -> None:
    with pytest.raises(DeclarationError, match="trained before they serve"):
        explainer(METHOD, of=chances, train=X)(X[:1])
    with pytest.raises(DeclarationError, match="give of=model"):
        explainer(METHOD, train=X, settings=SETTINGS).save(tmp_path)
    with pytest.raises(DeclarationError, match="is trained on rows"):
        explainer(METHOD, of=chances, uri=folder).save(tmp_path)
    odd = {**SETTINGS, "categorical_names": {2: ["a", "b"]}, "ranges": {"size": [0, 1]}}
    with pytest.raises(DeclarationError, match="categories are 0 to 1"):
        explainer(METHOD, of=chances, train=X, settings=odd).save(tmp_path)
    with pytest.raises(DeclarationError, match="not that of these settings"):
        explainer(METHOD, of=chances, uri=folder, settings={"latent_dim": 9})(X[:1])


def test_over_http_with_a_picture(folder: str) -> None:
    @inference_graph(explainer=explainer(METHOD, uri=folder))
    def loans(x: Rows) -> Any:
        return chances(x)

    with serving(loans) as client:
        row = X[0].tolist()
        answer = client.post(
            "/loans/v1/models/loans:explain",
            {"instances": [row], "parameters": {"picture": "svg"}},
        )
        assert answer.status == 200, answer.body
        assert answer.json["meta"]["name"] == "CounterfactualRLTabular"
        assert "<svg" in answer.json["picture"]["data"]
        wrong = client.post(
            "/loans/v1/models/loans:explain", {"instances": [row], "parameters": {"target": 5}}
        )
        assert wrong.status == 400


def test_a_folder_that_alibi_saved_needs_leave(folder: str, tmp_path: Path) -> None:
    direct = by_hand(folder)
    direct.fit(X)
    expected = direct.explain(X[:2], np.array([1]), C=[])
    direct.params["predictor"] = None
    direct.save(tmp_path / "alibi")
    assert (tmp_path / "alibi" / "explainer.dill").is_file()
    with pytest.raises(UmbelError, match="can run any code"):
        explainer(METHOD, of=chances, uri=str(tmp_path / "alibi"))(X[:2], {"target": 1})
    allowed = {"allow_pickle": True}
    why = explainer(METHOD, of=chances, uri=str(tmp_path / "alibi"), settings=allowed)
    found = why(X[:2], {"target": 1})
    assert found["data"]["cf"]["X"] == expected.data["cf"]["X"].tolist()
