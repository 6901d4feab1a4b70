"""Hugging Face folders answer as the pipeline, without pickles and without their code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from sklearn.datasets import load_iris

from umbel.graph.decorators import predictor
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.implementations import ModelFile
from umbel.nodes.huggingface_model import HuggingFaceModel, open_model

pytestmark = pytest.mark.slow  # what it imports takes seconds

WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "the", "good", "bad", "film"),
    *sorted({word for name in load_iris().feature_names for word in name.split()}),
]
TEXTS = ["a good film", "the bad film", *load_iris().feature_names]
SMALL: dict[str, Any] = {
    "vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 16,
}  # fmt: skip


def opened(folder: Path, **settings: object) -> HuggingFaceModel:
    return open_model(ModelFile("huggingface", str(folder), options={"device": "cpu", **settings}))


def saved(model: Any, folder: Path) -> Path:
    torch.manual_seed(0)
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    model.save_pretrained(folder)
    transformers.BertTokenizerFast(
        str(folder / "vocab.txt"), model_max_length=32, pad_token="[PAD]"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = transformers.BertConfig(**SMALL, id2label={0: "bad", 1: "good"}, num_labels=2)
    model = transformers.BertForSequenceClassification(config)
    return saved(model, tmp_path_factory.mktemp("hf") / "classifier")


def test_text_classification_answers_as_the_pipeline(classifier: Path) -> None:
    expected = transformers.pipeline("text-classification", model=str(classifier), device=-1)(TEXTS)
    model = opened(classifier)
    result = model.predict(x=TEXTS)
    assert result["label"].tolist() == [one["label"] for one in expected]
    np.testing.assert_allclose(result["score"], [one["score"] for one in expected], rtol=1e-6)
    assert model.signature is not None
    assert [port.name for port in model.signature.outputs] == ["label", "score"]
    assert model.predict(x=np.array(TEXTS, object))["label"].shape == (len(TEXTS),)
    assert model.predict(x=[])["score"].shape == (0,)
    assert opened(classifier, task="sequence_classification").signature == model.signature


def test_embeddings_are_the_mean_of_the_tokens(tmp_path: Path) -> None:
    bert = transformers.BertModel(transformers.BertConfig(**SMALL)).eval()
    folder = saved(bert, tmp_path / "bert")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        expected = [
            bert(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
            for text in TEXTS
        ]
    result = opened(folder).predict(x=TEXTS)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [one.mean(axis=0) for one in expected], atol=1e-6)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (folder / "2_Normalize").mkdir()
    unit = opened(folder).predict(x=TEXTS)
    first = np.stack([one[0] for one in expected])
    np.testing.assert_allclose(
        unit, first / np.linalg.norm(first, axis=1, keepdims=True), atol=1e-6
    )


def test_text_generation_gives_the_new_text(tmp_path: Path) -> None:
    config = transformers.GPT2Config(
        vocab_size=len(WORDS), n_embd=16, n_layer=1, n_head=2, n_positions=32,
        bos_token_id=None, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    folder = saved(transformers.GPT2LMHeadModel(config), tmp_path / "gpt")
    model = opened(folder, max_new_tokens=5, generate={"do_sample": False})
    pipe = transformers.pipeline("text-generation", model=str(folder), device=-1)
    expected = pipe(TEXTS, return_full_text=False, max_new_tokens=5, do_sample=False)
    result = model.predict(x=TEXTS)
    assert result.tolist() == [answers[0]["generated_text"] for answers in expected]
    with pytest.raises(DeclarationError, match="'max_new_tokens' is a whole number"):
        opened(folder, max_new_tokens=0)


@pytest.mark.parametrize("texts", [[1, 2], [["a"], ["b"]], [None], {"a": 1}])
def test_what_is_no_text_is_the_client_s_mistake(classifier: Path, texts: object) -> None:
    with pytest.raises(InvalidInput, match="x"):
        opened(classifier).predict(x=texts)


def test_folders_that_cannot_be_served_say_why(classifier: Path, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="there is no model at"):
        opened(tmp_path / "nowhere")
    with pytest.raises(DeclarationError, match="config.json cannot be read"):
        opened(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(DeclarationError, match="pickles and are not read"):
        opened(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(DeclarationError, match="tells no task"):
        opened(tmp_path)
    (tmp_path / "config.json").write_text((classifier / "config.json").read_text())
    with pytest.raises(DeclarationError, match="cannot be loaded for text-classification"):
        opened(tmp_path)
    with pytest.raises(DeclarationError, match="there is no task 'translation'"):
        opened(classifier, task="translation")


def test_code_beside_a_model_is_not_run(classifier: Path, tmp_path: Path) -> None:
    folder = tmp_path / "custom"
    folder.mkdir()
    for path in classifier.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "custom"
    config["auto_map"] = {
        "AutoConfig": "evil.Config",
        "AutoModelForSequenceClassification": "evil.Model",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w')\n")
    with pytest.raises(DeclarationError, match="cannot be loaded"):
        opened(folder)
    assert not (tmp_path / "trace").exists()


def test_a_node_of_a_folder(classifier: Path) -> None:
    node = predictor("huggingface", uri=str(classifier), settings={"device": "cpu"})
    assert set(node(TEXTS)) == {"label", "score"}
