"""Several answers of one causal language model, a token of each with every call of the model.

Rows have different lengths: each is padded on the left, and the padding is masked. A row joins
after a call for its prompt alone, and leaves when it has ended, whatever the others do.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch.nn.functional import pad

log = logging.getLogger("umbel.nodes")

_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3}
"""How far a padded row's scores may lie from those of the row alone, relative to the largest."""


@dataclass(frozen=True)
class Prefilled:
    """A prompt that the model has read: its tokens ``[1, length]``, keys and values, and the
    scores ``[1, vocabulary] float32`` for the next token."""

    ids: torch.Tensor
    cache: Any
    scores: torch.Tensor


class Batch:
    """The rows that are being answered. Not for several threads."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache: Any = None
        self._ids = self._mask = torch.zeros((0, 0), dtype=torch.long)

    @property
    def layers(self) -> Sequence[Any]:
        """The cache of each layer of the model."""
        return () if self._cache is None else self._cache.layers

    def prefill(self, prompt: Sequence[int]) -> Prefilled:
        """A call for a prompt alone. The batch stays as it is."""
        ids = torch.tensor([list(prompt)], device=self._model.device)
        cache = transformers.DynamicCache()
        return Prefilled(ids, cache, self._forward(ids, torch.ones_like(ids), cache, 0))

    def join(self, new: Prefilled) -> None:
        """The prompt becomes the last row."""
        mask = torch.ones_like(new.ids)
        if self._cache is None:
            self._ids, self._mask, self._cache = new.ids, mask, new.cache
            return
        for kept, joined in zip(self.layers, new.cache.layers, strict=True):
            kept.keys = _stacked(kept.keys, joined.keys, -2)
            kept.values = _stacked(kept.values, joined.values, -2)
        self._ids, self._mask = _stacked(self._ids, new.ids, -1), _stacked(self._mask, mask, -1)

    def tokens(self, row: int, length: int) -> torch.Tensor:
        """The last ``length`` tokens of a row, ``[1, length]``."""
        return self._ids[row : row + 1, -length:]

    def advance(self, tokens: Sequence[int]) -> torch.Tensor:
        """One more token for each row. The scores ``[rows, vocabulary] float32`` for the next."""
        column = torch.tensor(tokens, device=self._ids.device)[:, None]
        start = self._ids.shape[1]
        self._ids = torch.cat([self._ids, column], 1)
        self._mask = torch.cat([self._mask, torch.ones_like(column)], 1)
        return self._forward(self._ids, self._mask, self._cache, start)

    def keep(self, rows: Sequence[int]) -> None:
        """Let go of all other rows, and of padding that no row needs any more."""
        if not rows:
            self._cache = None
            return
        index = torch.tensor(rows, device=self._ids.device)
        mask = self._mask[index]
        cut = int(mask.any(0).to(torch.int8).argmax())
        self._ids, self._mask = self._ids[index, cut:], mask[:, cut:]
        for layer in self.layers:
            layer.keys = layer.keys[index][..., cut:, :]
            layer.values = layer.values[index][..., cut:, :]

    def _forward(self, ids: Any, mask: Any, cache: Any, start: int) -> torch.Tensor:
        given = self._model.prepare_inputs_for_generation(
            ids,
            past_key_values=cache,
            attention_mask=mask,
            cache_position=torch.arange(start, ids.shape[1], device=ids.device),
            use_cache=True,
        )
        scores: torch.Tensor = self._model(**given, return_dict=True).logits[:, -1]
        return scores.to(torch.float32, copy=True)


def _stacked(above: torch.Tensor, below: torch.Tensor, axis: int) -> torch.Tensor:
    """Both as one batch, the shorter one padded before its beginning."""
    width = max(above.shape[axis], below.shape[axis])
    rest = (0, 0) if axis == -2 else ()
    parts = [pad(one, (*rest, width - one.shape[axis], 0)) for one in (above, below)]
    return torch.cat(parts, 0)


class NextToken:
    """How a row's next token is chosen: as ``generate`` does with the same arguments."""

    def __init__(
        self, config: Any, processors: Any, generator: torch.Generator | None, ends: Sequence[int]
    ) -> None:
        self.longest: int = config.max_new_tokens
        self.ends = frozenset(ends)
        self._processors, self._generator = processors, generator
        self._sampled = bool(config.do_sample)

    @classmethod
    def of(
        cls, model: Any, prompt: Sequence[int], arguments: Mapping[str, Any], seed: int | None
    ) -> NextToken | None:
        """``None`` where ``generate`` has to do it: beams, or arguments of its own."""
        config, others = model._prepare_generation_config(None, **arguments)
        if others or not _a_token_at_a_time(config):
            return None
        model._prepare_special_tokens(config, True, device=model.device)
        ids = torch.tensor([list(prompt)], device=model.device)
        processors = model._get_logits_processor(
            config, input_ids_seq_length=ids.shape[1], encoder_input_ids=ids, device=model.device,
            model_kwargs={},
        )  # fmt: skip
        generator = None
        if seed is not None and config.do_sample:
            generator = torch.Generator(model.device).manual_seed(seed)
        ends = config._eos_token_tensor
        return cls(config, processors, generator, [] if ends is None else ends.tolist())

    def __call__(self, tokens: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The next token ``[1]`` after ``tokens`` ``[1, length]``, by ``scores``
        ``[1, vocabulary]``."""
        if self._processors:
            scores = self._processors(tokens, scores)
        if not self._sampled:
            return scores.argmax(-1)
        return torch.multinomial(scores.softmax(-1), 1, generator=self._generator)[:, 0]


def as_list(tokens: Sequence[torch.Tensor]) -> list[int]:
    """One-element tensors as numbers, in one transfer from the device."""
    listed: list[int] = torch.cat(list(tokens)).tolist()
    return listed


def no_token(scores: torch.Tensor) -> torch.Tensor:
    """What stands for the token of a row that has none."""
    return torch.zeros(1, dtype=torch.long, device=scores.device)


inference = torch.inference_mode
"""In this context, in this thread, nothing is kept for gradients."""


def _a_token_at_a_time(config: Any) -> bool:
    """Whether nothing but scores decides on the next token."""
    plain = config.get_generation_mode() in ("greedy_search", "sample")
    absent = (config.max_time, config.stop_strings, config.cache_implementation)
    return (
        plain
        and all(one is None for one in absent)
        and config.guidance_scale in (None, 1)
        and config.num_return_sequences == 1
        and config.use_cache
    )


def batches(model: Any) -> bool:
    """Whether rows of a batch get the scores that they get alone: tried with two prompts.

    It is not so for models whose state is no cache of keys and values, whose positions ignore
    padding, or whose positions depend on the longest row.
    """
    scaling = getattr(model.config, "rope_scaling", None) or {}
    if model.config.is_encoder_decoder or scaling.get("rope_type") in ("dynamic", "longrope"):
        return False
    try:
        with torch.inference_mode():
            return _same_in_company(model)
    except Exception as error:  # a model's own code raises whatever it likes
        log.info("answers one text at a time: %s: %s", type(error).__name__, error)
        return False


def _same_in_company(model: Any) -> bool:
    most = min(model.config.get_text_config().vocab_size, 50) - 1
    short, long = [1 % most, 2 % most], [token % most for token in range(3, 12)]
    rows = Batch(model)
    alone = []
    for prompt in (short, long):
        one = Batch(model)
        for batch in (one, rows):
            batch.join(batch.prefill(prompt))
        alone.append(one.advance([prompt[0]]))
    together = rows.advance([short[0], long[0]])
    expected = torch.cat(alone)
    if not all(type(layer) is transformers.cache_utils.DynamicLayer for layer in rows.layers):
        return False
    limit = _TOLERANCE.get(model.dtype, 0.05)
    return bool((together - expected).abs().max() <= limit * expected.abs().max())
