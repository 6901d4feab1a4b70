"""``text_tokens(...)``: texts as the numbers that a language model takes.

    tokens = text_tokens("models/bert", max_length=128)
    bert = predictor("onnx", uri="models/bert.onnx", inputs={"input_ids": None, …})

    @inference_graph
    def sentiment(texts):
        found = tokens(texts)
        return bert(found["input_ids"], found["attention_mask"])

The only file of this folder that imports Hugging Face's library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np

from umbel.graph.annotations import Tensor
from umbel.graph.definitions import ClassDefinition, NodeDefinition
from umbel.graph.errors import DeclarationError, InvalidInput, MissingExtra
from umbel.graph.options import NodeOptions
from umbel.graph.tracing import caller_place
from umbel.nodes.descriptions import describe

_LONGEST = 1_000_000
"""Characters of one text. Tokenising takes time in proportion before anything is cut off."""


class Tokens(TypedDict):
    """Both ``[batch, tokens]``; the mask is 0 where a shorter text was filled up."""

    input_ids: Annotated[Any, Tensor["int64", "batch", "tokens"]]
    attention_mask: Annotated[Any, Tensor["int64", "batch", "tokens"]]


def text_tokens(
    uri: str,
    *,
    max_length: int | None = None,
    fixed: bool = False,
    name: str = "",
    options: NodeOptions | None = None,
) -> NodeDefinition:
    """A node: texts ``[batch]`` in, ``input_ids`` and ``attention_mask`` out.

    ``uri`` is a folder with a tokenizer's files (``tokenizer.json``), or a place in storage.
    Longer texts are cut off at ``max_length`` tokens (default: the model's own limit); shorter
    ones are filled up to the longest of the request, or to ``max_length`` if ``fixed``.
    """
    place = caller_place()
    if max_length is not None and max_length < 1:
        raise DeclarationError(f"{place}: max_length={max_length} is below 1")
    if fixed and max_length is None:
        raise DeclarationError(f"{place}: fixed=True needs max_length=")
    if "://" not in uri and not Path(uri).is_absolute() and place.file:
        uri = str(Path(place.file).resolve().parent / uri)
    made = ClassDefinition(
        "transformer", TextTokens, name=name, options=options or NodeOptions(), place=place
    )
    return made(uri, max_length, fixed)


class TextTokens:
    """The code of a ``text_tokens`` node."""

    def __init__(self, uri: str, max_length: int | None, fixed: bool) -> None:
        self._uri, self._max, self._fixed = uri, max_length, fixed
        self._tokenizer: Any = None

    def load(self) -> None:
        """Fetch and read the tokenizer; code beside it is never run. Raises DeclarationError."""
        from umbel.nodes.storage.fetching import fetch

        try:
            from transformers import AutoTokenizer
        except ModuleNotFoundError as error:
            missing = error.name or "transformers"
            raise MissingExtra("text_tokens", missing, "huggingface") from error
        folder = Path(fetch(self._uri))
        if folder.is_file():
            folder = folder.parent
        if not (folder / "tokenizer.json").is_file() and not (folder / "vocab.txt").is_file():
            raise DeclarationError(
                f"{folder} holds no tokenizer: it has neither tokenizer.json nor vocab.txt; "
                "save one with tokenizer.save_pretrained(folder)"
            )
        try:
            open_tokenizer: Any = AutoTokenizer.from_pretrained
            self._tokenizer = open_tokenizer(
                str(folder), local_files_only=True, trust_remote_code=False, use_fast=True
            )
        except Exception as error:  # whatever a file makes the library stumble over
            raise DeclarationError(
                f"the tokenizer in {folder} cannot be read: {type(error).__name__}: {error}"
            ) from error
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token or self._tokenizer.unk_token

    def transform(self, texts: Annotated[Any, Tensor["str", "batch"]]) -> Tokens:
        """The tokens of each text."""
        given = [str(text) for text in texts.tolist()]
        for number, text in enumerate(given):
            if len(text) > _LONGEST:
                raise InvalidInput(
                    f"text {number}: {len(text):,} characters, at most {_LONGEST:,}: "
                    f"got {describe(text)}"
                )
        if not given:
            empty = np.zeros((0, 0), np.int64)
            return {"input_ids": empty, "attention_mask": empty.copy()}
        found = self._tokenizer(
            given,
            padding="max_length" if self._fixed else True,
            truncation=True,
            max_length=self._max,
            return_tensors="np",
        )
        return {
            "input_ids": found["input_ids"].astype(np.int64),
            "attention_mask": found["attention_mask"].astype(np.int64),
        }
