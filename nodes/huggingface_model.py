"""Hugging Face models from a folder: text classification, embeddings, text generation.

Weights are read from safetensors only, and code that lies beside a model is never run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import Port, Signature, ValueType
from umbel.nodes.descriptions import listing
from umbel.nodes.huggingface_generation import AT_ONCE, Piece, Sampling, TextGenerator
from umbel.nodes.huggingface_openai import ChatAndCompletion, embeddings
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.merged_streams import merged
from umbel.nodes.model_inputs import taken
from umbel.nodes.model_location import local_path
from umbel.nodes.model_settings import ModelSettings
from umbel.nodes.openai_requests import EmbeddingRequest

TASKS = {
    "text-classification": "text-classification",
    "embeddings": "feature-extraction",
    "text-generation": "text-generation",
}
"""umbel's name → the pipeline's."""

_KSERVE_TASKS = {
    "sequence_classification": "text-classification",
    "text_embedding": "embeddings",
    "text_generation": "text-generation",
}
_ENDINGS = {
    "ForSequenceClassification": "text-classification",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "Model": "embeddings",
}
_GENERATES = ("text-generation",)
_OPENAI = {
    "text-generation": ("create_completion", "create_chat_completion"),
    "embeddings": ("create_embedding",),
}
SETTINGS = {
    "task": f"{', '.join(TASKS)} (default: what the model was made for)",
    "device": "cpu, cuda, cuda:N or auto (the default: cuda where there is one)",
    "dtype": "the weights' dtype, as float32 or bfloat16 (default: as in the file)",
    "max_new_tokens": "text generation: tokens of an answer, at most (default 128)",
    "at_once": f"text generation: answers made at the same time, at most (default {AT_ONCE})",
    "generate": "text generation: further arguments of generate(), as temperature",
    "stream": "text generation: true to take one text and give its answer piece by piece",
}

_TEXTS = ValueType("ndarray", "str", ("batch",))
_PIECES = Signature(
    (Port("x", ValueType("str")),), (Port("output", ValueType("str", stream=True)),)
)
_OUTPUTS = {
    "text-classification": (
        Port("label", ValueType("ndarray", "str", ("batch",))),
        Port("score", ValueType("ndarray", "float32", ("batch",))),
    ),
    "text-generation": (Port("output", ValueType("ndarray", "str", ("batch",))),),
}


class HuggingFaceModel:
    """One pipeline. ``predict(x)`` takes texts ``[batch]`` and gives labels with scores,
    vectors ``[batch, width] float32``, or texts."""

    def __init__(
        self,
        pipe: Any,
        task: str,
        folder: Path,
        arguments: Mapping[str, Any],
        at_once: int = AT_ONCE,
    ) -> None:
        self._pipe, self._task, self._arguments = pipe, task, dict(arguments)
        self._first_token, self._unit_length = _pooling(folder)
        width = getattr(pipe.model.config, "hidden_size", None)
        vectors = Port("output", ValueType("ndarray", "float32", ("batch", width or "width")))
        outputs = _OUTPUTS.get(task, (vectors,))
        self.signature: Signature | None = Signature(
            (Port("x", _TEXTS),), outputs, keyed=len(outputs) > 1
        )
        generator = (
            TextGenerator(pipe.model, pipe.tokenizer, at_once) if task in _GENERATES else None
        )
        self._generator = generator
        if generator is not None:
            self.answer = self._generated
        self.openai_methods: tuple[str, ...] = _OPENAI.get(task, ())
        if generator is not None:
            chat = ChatAndCompletion(generator, pipe.tokenizer, self._arguments)
            self.create_completion = chat.create_completion
            self.create_chat_completion = chat.create_chat_completion

    def predict(self, x: Any) -> Any:
        """The answers, one for each text. Raises UnfitInput."""
        texts: list[str] = taken(x, _TEXTS).tolist()
        if self._task == "text-classification":
            return _classes(self._pipe(texts, truncation=True) if texts else [])
        if self._task == "text-generation":
            return asyncio.run(self._generated(x))
        return self._vectors(texts)

    async def _generated(self, x: Any) -> Any:
        """The answers to all texts, made at the same time as those of other calls."""
        texts: list[str] = taken(x, _TEXTS).tolist()
        parts: list[list[str]] = [[] for _ in texts]
        runs = [self._run(text) for text in texts]
        async with contextlib.aclosing(merged(runs)) as pieces:
            async for number, piece in pieces:
                parts[number].append(piece.text)
        return _objects(["".join(part) for part in parts])

    async def stream(self, x: str) -> AsyncGenerator[str, None]:
        """The new text after ``x``, as its tokens come. Raises UnfitInput."""
        async with contextlib.aclosing(self._run(x)) as pieces:
            async for piece in pieces:
                if piece.text:
                    yield piece.text

    def _run(self, text: str) -> AsyncGenerator[Piece, None]:
        assert self._generator is not None  # noqa: S101  only models that generate are asked
        arguments = dict(self._arguments)
        most = arguments.pop("max_new_tokens")
        prompt = self._generator.tokens(text)
        if not prompt:
            raise UnfitInput("input 'x': expected at least one token, got none", "x")
        longest = self._generator.longest
        if longest is not None and len(prompt) >= longest:
            raise UnfitInput(
                f"input 'x': expected fewer than {longest} tokens, which is all that the model "
                f"takes with its answer, got {len(prompt)}",
                "x",
            )
        most = most if longest is None else min(most, longest - len(prompt))
        return self._generator.run(prompt, Sampling(most, arguments=arguments))

    def create_embedding(self, request: EmbeddingRequest) -> dict[str, Any]:
        """OpenAI's embeddings. Raises OpenAiRefusal."""

        def count(text: str) -> int:
            return len(self._pipe.tokenizer(text, truncation=True)["input_ids"])

        return embeddings(request, self._vectors, count)

    def _vectors(self, texts: Sequence[str]) -> Any:
        """Each text for itself: padding would count in the mean."""
        rows = []
        for text in texts:
            tokens = self._pipe(text, return_tensors=True, truncation=True)[0].float().numpy()
            rows.append(tokens[0] if self._first_token else tokens.mean(axis=0))
        if not rows:
            return np.zeros((0, self._pipe.model.config.hidden_size), np.float32)
        vectors = np.stack(rows).astype(np.float32)
        if self._unit_length:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


def open_model(code: ModelFile) -> HuggingFaceModel:
    """The model in the folder ``code.uri`` (``config.json``, tokenizer, safetensors).
    Raises DeclarationError."""
    settings = ModelSettings(code, SETTINGS)
    folder = local_path(code)
    config = _config(folder)
    asked = settings.text("task")
    task = _KSERVE_TASKS.get(asked, asked) or _made_for(config, folder)
    if task not in TASKS:
        raise DeclarationError(f"there is no task {task!r}; there are {', '.join(TASKS)}")
    arguments = {
        "max_new_tokens": settings.number("max_new_tokens", 128, least=1),
        **settings.mapping("generate"),
    }
    pipe = _pipeline(folder, task, settings.text("device", "auto"), settings.text("dtype", "auto"))
    longest = getattr(pipe.model.config, "max_position_embeddings", None)
    if isinstance(longest, int) and longest < pipe.tokenizer.model_max_length:
        pipe.tokenizer.model_max_length = longest  # a folder may leave it open
    at_once = settings.number("at_once", AT_ONCE, least=1)
    model = HuggingFaceModel(pipe, task, folder, arguments, at_once)
    if settings.flag("stream"):
        if task not in _GENERATES:
            raise DeclarationError(f"setting 'stream' is for text generation, not for {task}")
        model.signature = _PIECES
    return model


def _config(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise DeclarationError(
            f"{folder} is no folder of a Hugging Face model: config.json cannot be read ({error})"
        ) from error
    if not any(folder.glob("*.safetensors")):
        there = sorted(path.name for path in folder.iterdir())
        raise DeclarationError(
            f"{folder} has no .safetensors file (it has {listing(there)}): .bin weights are "
            "pickles and are not read; save the model again with save_pretrained"
        )
    return found


def _made_for(config: Mapping[str, Any], folder: Path) -> str:
    for architecture in config.get("architectures") or ():
        for ending, task in _ENDINGS.items():
            if str(architecture).endswith(ending):
                return task
    raise DeclarationError(
        f"{folder}/config.json names {config.get('architectures')}, which tells no task: write "
        f'settings={{"task": …}}, one of {", ".join(TASKS)}'
    )


_LOADING = threading.Lock()
"""transformers changes the process's default device while it loads a model: two at once fail."""


def _pipeline(folder: Path, task: str, device: str, dtype: str) -> Any:
    make: Any = transformers.pipeline  # its types know no task by variable
    try:
        with _LOADING:
            return make(
                TASKS[task],
                model=str(folder),
                tokenizer=str(folder),
                trust_remote_code=False,
                dtype=dtype,
                model_kwargs={"use_safetensors": True, "local_files_only": True},
                **({} if device == "auto" else {"device": device}),
            )
    except Exception as error:  # transformers raises whatever a file makes it stumble over
        raise DeclarationError(
            f"{folder} cannot be loaded for {task}: {type(error).__name__}: {error}"
        ) from error


def _pooling(folder: Path) -> tuple[bool, bool]:
    """Whether the first token stands for the text, and whether vectors have length one: as the
    files of sentence-transformers say."""
    try:
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    except (OSError, ValueError):
        pooling = {}
    return bool(pooling.get("pooling_mode_cls_token")), (folder / "2_Normalize").is_dir()


def _classes(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "label": _objects([one["label"] for one in found]),
        "score": np.array([one["score"] for one in found], np.float32),
    }


def _objects(texts: Sequence[str]) -> Any:
    out = np.empty(len(texts), dtype=object)
    out[:] = texts
    return out
