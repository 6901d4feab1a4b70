"""The arguments that a model block gives its server: what they mean here, and which mean nothing.

KServe appends them to the runtime's own command line. umbel starts no such server: a few say
something about the model and are taken over, some only tune the server, the rest is told.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from umbel.k8s.resources.predictor import Model

TEXT_FORMATS = frozenset({"huggingface", "vLLM"})

_TUNING = """
    access_log_format block_size chunked_prefill_size configure_logging data_parallel_size
    disable_log_requests disable_log_stats distributed_executor_backend enable_chunked_prefill
    enable_docs_url enable_grpc enable_latency_logging enable_prefix_caching enforce_eager
    event_loop gpu_memory_utilization grpc_max_receive_message_length
    grpc_max_send_message_length grpc_port http_port load_format log_config_file log_error
    log_format log_info log_verbose log_warning max_asyncio_workers max_model_len
    max_num_batched_tokens max_num_seqs max_threads model_control_mode model_dir model_name
    model_repository pipeline_parallel_size port predictor_host predictor_port protocol
    root_path served_model_name strict_model_config swap_space tensor_input_names
    tensor_parallel_size timeout_keep_alive uvicorn_log_level workers
"""
"""Arguments that change how a server runs, not what it answers, and those read elsewhere."""


@dataclass(frozen=True)
class ModelArguments:
    """``uri``: where the model is, if an argument says so. ``without_effect``: names of
    arguments that mean nothing here, as they were written."""

    uri: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    without_effect: tuple[str, ...] = ()


def model_arguments(model: Model) -> ModelArguments:
    """What ``args`` of a model block come to."""
    given = dict(_arguments((*model.command, *model.args)))
    left = {name: word for name, (word, _) in given.items() if name not in _TUNING.split()}
    values = {name: value for name, (_, value) in given.items()}
    settings: dict[str, object] = {}
    uri = ""
    if model.model_format.name in TEXT_FORMATS:
        uri = _hub_uri(values)
        if values.get("task"):
            settings["task"] = values["task"]
        if dtype := _DTYPES.get(values.get("dtype", "")):
            settings["dtype"] = dtype
        for name in ("model", "model_id", "model_revision", "revision", "task", "dtype"):
            left.pop(name, None)
        left.pop("backend", None)  # there is one
    return ModelArguments(uri, settings, tuple(left.values()))


_DTYPES = {
    "half": "float16", "float": "float32",
    **{name: name for name in ("float16", "bfloat16", "float32")},
}  # fmt: skip


def _hub_uri(values: Mapping[str, str]) -> str:
    model = values.get("model_id") or values.get("model", "")
    if not model or model.startswith("/"):
        return ""  # where the server's container has it mounted
    revision = values.get("model_revision") or values.get("revision")
    return f"hf://{model}:{revision}" if revision else f"hf://{model}"


def _arguments(words: Sequence[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for index, word in enumerate(words):
        if not word.startswith("--") or len(word) < 3:
            continue
        name, equals, value = word[2:].partition("=")
        if not equals:
            after = itertools.takewhile(lambda one: not one.startswith("--"), words[index + 1 :])
            value = " ".join(after)
        yield name.replace("-", "_"), (f"--{name}", value)
