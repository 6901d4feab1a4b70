"""OpenAI's API over a Hugging Face model: completions, chat, embeddings.

What the API knows and this model cannot do is refused, never ignored.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from umbel.nodes.huggingface_generation import Piece, Sampling, TextGenerator
from umbel.nodes.merged_streams import merged
from umbel.nodes.openai_requests import (
    ChatCompletionRequest,
    CompletionRequest,
    EmbeddingRequest,
    OpenAiRefusal,
)

COMPLETION_TOKENS = 16
"""Tokens of a completion whose request does not say how many: OpenAI's default."""

Body = dict[str, Any]
Chunks = AsyncGenerator[Body, None]
Pieces = AsyncGenerator[Piece, None]


@dataclass(frozen=True)
class _Shape:
    """What tells a completion from a chat: names, and how a choice is written."""

    prefix: str
    whole: str
    chunk: str
    choice: Callable[[str], Body]
    delta: Callable[[str], Body]
    opening: Body | None = None


_TEXT = _Shape(
    "cmpl", "text_completion", "text_completion", lambda t: {"text": t}, lambda t: {"text": t}
)
_CHAT = _Shape(
    "chatcmpl",
    "chat.completion",
    "chat.completion.chunk",
    lambda t: {"message": {"role": "assistant", "content": t}},
    lambda t: {"delta": {"content": t} if t else {}},
    {"delta": {"role": "assistant", "content": ""}},
)


class ChatAndCompletion:
    """Completions and chat. ``arguments`` are the node's own for ``generate``."""

    def __init__(
        self, generator: TextGenerator, tokenizer: Any, arguments: Mapping[str, Any]
    ) -> None:
        self._generator, self._tokenizer = generator, tokenizer
        self._arguments = {k: v for k, v in arguments.items() if k != "max_new_tokens"}
        self._chat_tokens = int(arguments.get("max_new_tokens", 128))

    async def create_completion(self, request: CompletionRequest) -> Body | Chunks:
        """One answer or more for each prompt, or their chunks."""
        _refuse(request, "suffix", "logprobs")
        if request.best_of not in (None, request.n or 1):
            raise OpenAiRefusal("best_of: this model does not support it", "best_of")
        prompts = [self._tokens(prompt) for prompt in _listed(request.prompt)]
        if not prompts:
            raise OpenAiRefusal("prompt: expected at least one", "prompt")
        echoes = [self._tokenizer.decode(p, skip_special_tokens=True) for p in prompts]
        most = request.max_tokens or COMPLETION_TOKENS
        opening = echoes if request.echo else [""] * len(prompts)
        return await self._answered(request, prompts, most, opening, _TEXT)

    async def create_chat_completion(self, request: ChatCompletionRequest) -> Body | Chunks:
        """The assistant's next message, written with the tokenizer's chat template."""
        _refuse(request, "logprobs", "tools", "functions")
        if request.response_format not in (None, {"type": "text"}):
            raise OpenAiRefusal("response_format: only text can be had", "response_format")
        if request.tool_choice not in (None, "none"):
            raise OpenAiRefusal("tool_choice: this model calls no tools", "tool_choice")
        prompt = self._templated(request)
        most = request.max_completion_tokens or request.max_tokens
        if most is None:
            most = min(self._chat_tokens, self._room(len(prompt)))
        return await self._answered(request, [prompt], most, [""], _CHAT)

    async def _answered(
        self, request: Any, prompts: list[list[int]], most: int, opening: list[str], shape: _Shape
    ) -> Body | Chunks:
        _refuse(request, "presence_penalty", "frequency_penalty", "logit_bias")
        for prompt in prompts:
            if len(prompt) + most > (self._generator.longest or len(prompt) + most):
                raise OpenAiRefusal(
                    f"This model's maximum context length is {self._generator.longest} tokens, "
                    f"and the request asks for {len(prompt) + most}: {len(prompt)} of the prompt "
                    f"and {most} of the answer",
                    "messages" if shape is _CHAT else "prompt",
                )
        answers = _Answers(self, request, prompts, most, opening, shape)
        return answers.chunks() if request.stream else await answers.whole()

    def pieces(self, request: Any, prompt: list[int], most: int, number: int) -> Pieces:
        """One answer. The seed of the n-th is the request's plus n: they differ, and come again."""
        sampled = self._arguments.keys() & {"do_sample", "temperature", "num_beams"}
        temperature = 1.0 if request.temperature is None and not sampled else request.temperature
        seed = None if request.seed is None else request.seed + number
        sampling = Sampling(most, temperature, request.top_p, seed, request.stops, self._arguments)
        return self._generator.run(prompt, sampling)

    def _tokens(self, prompt: str | list[int]) -> list[int]:
        if isinstance(prompt, str):
            tokens = self._generator.tokens(prompt)
            start = self._tokenizer.bos_token_id
            tokens = tokens or ([] if start is None else [start])
        else:
            tokens = prompt
            if any(not 0 <= token < len(self._tokenizer) for token in tokens):
                most = len(self._tokenizer) - 1
                raise OpenAiRefusal(f"prompt: token ids go from 0 to {most}", "prompt")
        if not tokens:
            raise OpenAiRefusal("prompt: expected at least one token", "prompt")
        return tokens

    def _templated(self, request: ChatCompletionRequest) -> list[int]:
        if not self._tokenizer.chat_template:
            raise OpenAiRefusal(
                "this model has no chat template: send its prompt to /completions", "messages"
            )
        messages = [{"role": one.role, "content": _text(one.content)} for one in request.messages]
        try:
            tokens: list[int] = self._tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True
            )
        except Exception as error:  # whatever the model's own template raises
            raise OpenAiRefusal(f"messages: {error}", "messages") from error
        return tokens

    def _room(self, prompt: int) -> int:
        longest = self._generator.longest
        return self._chat_tokens if longest is None else max(longest - prompt, 1)


class _Answers:
    """All choices of one request, made at the same time."""

    def __init__(
        self,
        model: ChatAndCompletion,
        request: Any,
        prompts: list[list[int]],
        most: int,
        opening: list[str],
        shape: _Shape,
    ) -> None:
        self._model, self._request, self._prompts = model, request, prompts
        self._most, self._shape = most, shape
        self._asked = [
            one for one in zip(prompts, opening, strict=True) for _ in range(request.n or 1)
        ]
        self._id = f"{shape.prefix}-{secrets.token_hex(12)}"
        self._created, self._used = int(time.time()), 0

    async def whole(self) -> Body:
        """The answer at once."""
        parts = [[opening] for _, opening in self._asked]
        reasons: list[str | None] = [None] * len(parts)
        async with contextlib.aclosing(self._pieces()) as pieces:
            async for index, piece in pieces:
                parts[index].append(piece.text)
                reasons[index] = piece.finish_reason
        choices = [
            {"index": index, **self._shape.choice("".join(told)), "logprobs": None,
             "finish_reason": reasons[index]}
            for index, told in enumerate(parts)
        ]  # fmt: skip
        return {**self._head(self._shape.whole), "choices": choices, "usage": self._usage()}

    async def chunks(self) -> Chunks:
        """A chunk for each piece, one that says why each choice ended, and the usage."""
        for index, (_, opening) in enumerate(self._asked):
            if self._shape.opening is not None:
                yield self._chunk(index, self._shape.opening, None)
            if opening:
                yield self._chunk(index, self._shape.delta(opening), None)
        async with contextlib.aclosing(self._pieces()) as pieces:
            async for index, piece in pieces:
                if piece.text and piece.finish_reason:
                    yield self._chunk(index, self._shape.delta(piece.text), None)
                text = "" if piece.finish_reason else piece.text
                yield self._chunk(index, self._shape.delta(text), piece.finish_reason)
        if self._request.wants_usage:
            yield {**self._head(self._shape.chunk), "choices": [], "usage": self._usage()}

    def _pieces(self) -> AsyncGenerator[tuple[int, Piece], None]:
        asked = enumerate(self._asked)
        return merged([self._counted(prompt, index) for index, (prompt, _) in asked])

    async def _counted(self, prompt: list[int], index: int) -> Pieces:
        pieces = self._model.pieces(self._request, prompt, self._most, index)
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                if piece.finish_reason:
                    self._used += piece.tokens
                yield piece

    def _chunk(self, index: int, written: Body, reason: str | None) -> Body:
        choice = {"index": index, **written, "logprobs": None, "finish_reason": reason}
        usage = {"usage": None} if self._request.wants_usage else {}
        return {**self._head(self._shape.chunk), "choices": [choice], **usage}

    def _head(self, kind: str) -> Body:
        return {
            "id": self._id, "object": kind, "created": self._created,
            "model": self._request.model,
        }  # fmt: skip

    def _usage(self) -> Body:
        return usage(sum(map(len, self._prompts)), self._used)


def usage(prompt: int, answer: int) -> Body:
    """Tokens in OpenAI's words."""
    counts = {"prompt_tokens": prompt, "completion_tokens": answer}
    return {**counts, "total_tokens": prompt + answer}


def embeddings(
    request: EmbeddingRequest,
    vectors: Callable[[Sequence[str]], Any],
    count: Callable[[str], int],
) -> Body:
    """A vector for each text. ``vectors`` gives ``[batch, width] float32``."""
    _refuse(request)
    texts = _listed(request.input)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise OpenAiRefusal("input: expected texts, at least one", "input")
    found = vectors(texts)
    if request.dimensions not in (None, found.shape[1]):
        raise OpenAiRefusal(f"dimensions: this model has {found.shape[1]}", "dimensions")
    in_text = request.encoding_format == "base64"
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(row.astype("<f4").tobytes()).decode() if in_text else row,
        }
        for index, row in enumerate(found)
    ]
    tokens = sum(count(text) for text in texts)
    used = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": request.model, "usage": used}


def _listed(prompt: Any) -> list[Any]:
    """One prompt or several, as several."""
    single = isinstance(prompt, str) or (prompt and isinstance(prompt[0], int))
    return [prompt] if single else list(prompt)


def _refuse(request: Any, *fields: str) -> None:
    """Raise for a field that would change the answer and cannot."""
    for name in fields:
        if getattr(request, name, None):
            raise OpenAiRefusal(f"{name}: this model does not support it", name)
    for name, value in request.unknown.items():
        if value is not None:
            raise OpenAiRefusal(f"Unrecognized request argument supplied: {name}", name)


def _text(content: str | list[Body] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise OpenAiRefusal("messages: this model takes parts of type text only", "messages")
    return "".join(part["text"] for part in content)
