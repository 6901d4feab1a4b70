"""Random Hugging Face models of a few thousand weights, saved to a folder. What makes them is
imported when it is needed: that takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "pack my box with five dozen jugs",
    "ünïcödé ✓",
]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role not in ('system', 'user', 'assistant') %}"
    "{{ raise_exception('roles are system, user and assistant') }}{% endif %}"
    "<{{ message.role }}>{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def byte_tokenizer() -> Any:
    """A byte-level BPE tokenizer trained here, as GPT-2's."""
    import tokenizers
    import transformers

    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator(TEXTS, vocab_size=320, min_frequency=1, special_tokens=["</s>"])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made._tokenizer, eos_token="</s>", bos_token="</s>", pad_token="</s>"
    )


def causal_model(folder: Path, *, chat: bool = True) -> Path:
    """A GPT-2 of one layer that has learned nothing."""
    import torch
    import transformers

    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=128,
        bos_token_id=0, eos_token_id=0, pad_token_id=0, initializer_range=1.0,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def embedding_model(folder: Path) -> Path:
    """A BERT of one layer."""
    import torch
    import transformers

    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
