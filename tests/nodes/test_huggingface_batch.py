"""Answers made together are those that ``generate`` makes alone, for many kinds of models."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

import tiny_models  # noqa: E402
from umbel.nodes.huggingface_batch import batches  # noqa: E402
from umbel.nodes.huggingface_generation import Sampling, TextGenerator  # noqa: E402

pytestmark = pytest.mark.slow  # what it imports takes seconds

TOKENIZER: Any = tiny_models.byte_tokenizer()
VOCABULARY = len(TOKENIZER)
PROMPTS = [[5], [7, 8, 9, 10, 11, 12, 13, 14, 15], [30, 31, 32], [9] * 20, [40, 41], [5]]

_SMALL = {
    "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 128,
    "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "initializer_range": 0.5,
}  # fmt: skip


def gpt2() -> Any:
    return transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, n_positions=128,
        bos_token_id=0, eos_token_id=0, pad_token_id=0, initializer_range=1.0,
    )  # fmt: skip


def opt() -> Any:
    small = {k: v for k, v in _SMALL.items() if "key_value" not in k and "initializer" not in k}
    return transformers.OPTConfig(**small, ffn_dim=32, word_embed_proj_dim=16, init_std=0.5)


def bloom() -> Any:
    return transformers.BloomConfig(
        vocab_size=VOCABULARY, hidden_size=16, n_layer=2, n_head=2, initializer_range=0.5,
        bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip


CONFIGS = {
    "gpt2": gpt2,
    "llama": lambda: transformers.LlamaConfig(**_SMALL),
    "mistral": lambda: transformers.MistralConfig(**_SMALL, sliding_window=6),
    "gemma2": lambda: transformers.Gemma2Config(**_SMALL, head_dim=8, sliding_window=6),
    "qwen2": lambda: transformers.Qwen2Config(**_SMALL),
    "gpt_neox": lambda: transformers.GPTNeoXConfig(**_SMALL),
    "opt": opt,
    "bloom": bloom,
}


def made(kind: str) -> Any:
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(CONFIGS[kind]()).eval()


@pytest.fixture(scope="module")
def model() -> Any:
    return made("gpt2")


def alone(
    model: Any, prompt: Sequence[int], seed: int | None = None, **arguments: Any
) -> list[int]:
    if seed is not None:
        transformers.set_seed(seed)
    ids = torch.tensor([prompt])
    made = model.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=0, **arguments)
    tokens: list[int] = made[0, len(prompt) :].tolist()
    return tokens


class Tokens:
    """A tokenizer whose text is the tokens' numbers."""

    pad_token_id = 0

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        return "".join(f"{token} " for token in ids)


async def told(generator: TextGenerator, prompt: Sequence[int], sampling: Sampling) -> list[int]:
    pieces = [piece async for piece in generator.run(prompt, sampling)]
    assert pieces[-1].finish_reason
    tokens = [int(token) for token in "".join(piece.text for piece in pieces).split()]
    assert pieces[-1].tokens == len(tokens)
    return tokens


@pytest.mark.parametrize("kind", CONFIGS)
async def test_greedy_answers_are_those_of_generate(kind: str) -> None:
    model = made(kind)
    generator = TextGenerator(model, Tokens(), at_once=4)
    assert generator.at_once == 4
    lengths = [12, 3, 30, 7, 1, 20]
    expected = [
        alone(model, prompt, max_new_tokens=most, do_sample=False)
        for prompt, most in zip(PROMPTS, lengths, strict=True)
    ]
    asked = zip(PROMPTS, lengths, strict=True)
    found = await asyncio.gather(
        *(told(generator, prompt, Sampling(most, temperature=0)) for prompt, most in asked)
    )
    assert found == expected
    assert len({tuple(tokens) for tokens in found}) > 3


async def test_each_request_has_its_own_way_to_draw(model: Any) -> None:
    generator = TextGenerator(model, Tokens())
    ways: list[tuple[Sampling, dict[str, Any]]] = [
        (Sampling(9, temperature=0), {"do_sample": False}),
        (Sampling(9, 1.5, seed=3), {"do_sample": True, "temperature": 1.5, "seed": 3}),
        (Sampling(9, 1.5, seed=4), {"do_sample": True, "temperature": 1.5, "seed": 4}),
        (Sampling(9, 1.0, 0.3, 5), {"do_sample": True, "top_p": 0.3, "seed": 5}),
        (
            Sampling(9, 0, arguments={"repetition_penalty": 3.0, "no_repeat_ngram_size": 2}),
            {"do_sample": False, "repetition_penalty": 3.0, "no_repeat_ngram_size": 2},
        ),
        (
            Sampling(9, 2.0, seed=6, arguments={"top_k": 2, "min_new_tokens": 9}),
            {"do_sample": True, "temperature": 2.0, "top_k": 2, "seed": 6, "min_new_tokens": 9},
        ),
        (Sampling(9, arguments={"num_beams": 1}), {}),
    ]
    prompt = PROMPTS[2]
    expected = [alone(model, prompt, max_new_tokens=9, **way) for _, way in ways]
    asked = (told(generator, prompt, sampling) for sampling, _ in ways)
    assert await asyncio.gather(*asked) == expected


async def test_who_comes_later_joins_those_under_way(model: Any) -> None:
    generator = TextGenerator(model, Tokens())
    expected = [alone(model, p, max_new_tokens=25, do_sample=False) for p in PROMPTS]

    async def later(number: int) -> list[int]:
        await asyncio.sleep(0.004 * number)
        return await told(generator, PROMPTS[number], Sampling(25, temperature=0))

    assert await asyncio.gather(*map(later, range(len(PROMPTS)))) == expected


async def test_what_generate_must_do_itself_waits_its_turn(model: Any) -> None:
    generator = TextGenerator(model, Tokens())
    greedy = alone(model, [5], max_new_tokens=8, do_sample=False)
    stops = {"max_time": 1000.0}
    sampling = Sampling(8, temperature=0)
    found = await asyncio.gather(
        told(generator, [5], sampling),
        told(generator, [5], Sampling(8, temperature=0, arguments=stops)),
        told(generator, [5], sampling),
    )
    assert found == [greedy] * 3


async def test_an_unknown_argument_fails_its_own_request_only(model: Any) -> None:
    generator = TextGenerator(model, Tokens())
    good = alone(model, [5], max_new_tokens=8, do_sample=False)
    sampling = Sampling(8, temperature=0)
    found = await asyncio.gather(
        told(generator, [5], sampling),
        told(generator, [5], Sampling(8, temperature=0, arguments={"no_such": 1})),
        told(generator, [10**6], sampling),
        told(generator, [5], sampling),
        return_exceptions=True,
    )
    assert found[0] == found[3] == good
    assert isinstance(found[1], ValueError)
    assert isinstance(found[2], IndexError)


async def test_a_reader_that_leaves_frees_its_place(model: Any) -> None:
    generator = TextGenerator(model, Tokens(), at_once=2)
    long = Sampling(100, temperature=0, arguments={"min_new_tokens": 100})
    first = [generator.run([5], long), generator.run([7], long)]
    for run in first:
        await anext(run)
    for run in first:
        await run.aclose()
    start = time.perf_counter()
    assert await told(generator, [5], Sampling(2, temperature=0))
    assert time.perf_counter() - start < 5
    assert not generator._decoding._rows or len(generator._decoding._rows) < 2


async def test_no_more_than_asked_for_are_made_at_once(model: Any) -> None:
    generator = TextGenerator(model, Tokens(), at_once=2)
    seen: list[int] = []
    original = generator._decoding._batch.advance

    def advance(tokens: Sequence[int]) -> Any:
        seen.append(len(tokens))
        return original(tokens)

    generator._decoding._batch.advance = advance  # type: ignore[method-assign]
    sampling = Sampling(10, temperature=0, arguments={"min_new_tokens": 10})
    await asyncio.gather(*(told(generator, prompt, sampling) for prompt in PROMPTS))
    assert max(seen) == 2


class Lopsided(torch.nn.Module):
    """A model whose scores depend on padding."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.inner = model

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name) if name == "inner" else getattr(self.inner, name)

    def forward(self, **given: Any) -> Any:
        answer = self.inner(**given)
        answer.logits = answer.logits + given["attention_mask"].shape[1]
        return answer


def test_models_that_batches_would_change_are_not_batched(model: Any) -> None:
    assert batches(model)
    assert not batches(Lopsided(model))
    scaled = transformers.LlamaConfig(
        **_SMALL, rope_scaling={"rope_type": "dynamic", "factor": 2.0}
    )
    assert not batches(transformers.LlamaForCausalLM(scaled))
    rwkv = transformers.RwkvConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2)
    assert not batches(transformers.RwkvForCausalLM(rwkv).eval())


async def test_eight_at_once_take_much_less_than_one_after_another() -> None:
    """A model whose calls take their time: then what is saved is calls."""
    config = transformers.GPT2Config(
        vocab_size=2000, n_embd=640, n_layer=8, n_head=10, n_positions=128, eos_token_id=None
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    sampling = Sampling(24, temperature=0)
    prompts = [[number + 1] * (3 + number) for number in range(8)]

    async def seconds(at_once: int) -> tuple[float, Any]:
        generator = TextGenerator(model, Tokens(), at_once)
        await told(generator, [1], Sampling(2, temperature=0))
        start = time.perf_counter()
        found = await asyncio.gather(*(told(generator, p, sampling) for p in prompts))
        return time.perf_counter() - start, found

    one_by_one, expected = await seconds(1)
    together, found = await seconds(8)
    assert found == expected
    print(f"one after another {one_by_one:.2f} s, together {together:.2f} s")
    assert together < 0.7 * one_by_one
