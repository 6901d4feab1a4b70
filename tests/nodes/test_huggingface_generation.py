"""Text that comes token by token: the same text as at once, ended by stops and by its reader."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

transformers = pytest.importorskip("transformers")

import tiny_models  # noqa: E402
from umbel.nodes.huggingface_generation import Sampling, TextGenerator  # noqa: E402
from umbel.nodes.text_pieces import Decoder, StopText  # noqa: E402

pytestmark = pytest.mark.slow  # what it imports takes seconds

TOKENIZER: Any = tiny_models.byte_tokenizer()


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("the qü✓👩‍🚀é "), max_size=20))
def test_tokens_become_text_step_by_step(text: str) -> None:
    ids = TOKENIZER(text)["input_ids"]
    decoder = Decoder(TOKENIZER)
    assert "".join([*map(decoder.feed, ids), decoder.rest()]) == text


@settings(deadline=None)
@given(st.text("ab", max_size=12), st.text("ab", min_size=1, max_size=4), st.integers(1, 3))
def test_a_stop_is_never_told_in_part(text: str, stop: str, step: int) -> None:
    found = StopText((stop,))
    parts = [text[at : at + step] for at in range(0, len(text), step)]
    told = []
    for part in parts:
        told.append(found.feed(part))
        if found.found:
            break
    assert "".join([*told, found.rest()]) == text.partition(stop)[0]
    assert found.found == (stop in text)


class Counted:
    """A tokenizer that counts how often it decodes: twice a token."""

    def __init__(self) -> None:
        self.decoded = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(TOKENIZER, name)

    def decode(self, *args: Any, **kwargs: Any) -> Any:
        self.decoded += 1
        return TOKENIZER.decode(*args, **kwargs)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tiny_models.causal_model(tmp_path_factory.mktemp("gpt") / "model")
    return transformers.GPT2LMHeadModel.from_pretrained(folder).eval()


async def test_an_answer_ends_with_its_reader(model: Any) -> None:
    tokenizer = Counted()
    generator = TextGenerator(model, tokenizer)
    pieces = generator.run([5, 6], Sampling(120, temperature=0))
    await anext(pieces)
    await pieces.aclose()
    for thread in threading.enumerate():
        if thread.name == "umbel-generate":
            await asyncio.to_thread(thread.join, 10)
    assert tokenizer.decoded < 2 * 120


async def test_answers_at_once_take_turns(model: Any) -> None:
    generator = TextGenerator(model, TOKENIZER)

    async def whole(seed: int) -> str:
        sampling = Sampling(10, temperature=1.0, seed=seed)
        return "".join([piece.text async for piece in generator.run([5], sampling)])

    alone = [await whole(seed) for seed in range(4)]
    assert list(await asyncio.gather(*map(whole, range(4)))) == alone
    assert len(set(alone)) > 1


async def test_what_goes_wrong_reaches_the_reader(model: Any) -> None:
    generator = TextGenerator(model, TOKENIZER)
    with pytest.raises(IndexError):
        [piece async for piece in generator.run([10**6], Sampling(3, temperature=0))]
