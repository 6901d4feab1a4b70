"""Reads a pools file: the machines of a cluster under names that graphs may use.

pools:
  a100:
    labels: {team: vision}
    accelerator: A100
    limits: {gpus: 8, memory: 256Gi}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from umbel.graph.errors import CheckFailed, DeclarationError
from umbel.graph.findings import Finding
from umbel.graph.placement import Limits, Pool, label_problem
from umbel.graph.quantities import amount
from umbel.graph.yaml_source import Document, read_documents


def read_pools(file: str) -> dict[str, Pool]:
    """The pools of a file, by name. Raises ``DeclarationError`` where it cannot be read,
    ``CheckFailed`` with every ``UMB-G263`` of it."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{file}: cannot be read: {error}") from error
    documents, found = read_documents(text, file)
    if found:
        raise CheckFailed(found)
    if len(documents) != 1:
        raise DeclarationError(f"{file}: expected one document with 'pools:', got {len(documents)}")
    (document,) = documents
    try:
        declared = _File.model_validate(document.data)
    except ValidationError as error:
        raise CheckFailed(list(_findings(document, error))) from error
    pools = {name: _pool(name, one) for name, one in declared.pools.items()}
    wrong = [
        _finding(document, ("pools", name, "labels", key), problem)
        for name, pool in pools.items()
        for key, value in pool.labels.items()
        if (problem := label_problem(key, value))
    ]
    if wrong:
        raise CheckFailed(wrong)
    return pools


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _memory(value: object) -> object:
    return amount(value) if isinstance(value, str) else value


_Memory = Annotated[int, BeforeValidator(_memory), Field(ge=0)]


class _Limits(_Strict):
    gpus: float | None = Field(default=None, ge=0)
    cpus: float | None = Field(default=None, ge=0)
    memory: _Memory | None = None
    replicas: int | None = Field(default=None, ge=0)


class _Pool(_Strict):
    labels: Mapping[str, str] = Field(default_factory=dict)
    accelerator: str | None = None
    resources: Mapping[str, float] = Field(default_factory=dict)
    limits: _Limits = _Limits()


class _File(_Strict):
    pools: Mapping[str, _Pool]


def _pool(name: str, declared: _Pool) -> Pool:
    limits = declared.limits
    return Pool(
        name,
        dict(declared.labels),
        declared.accelerator,
        dict(declared.resources),
        Limits(limits.gpus, limits.cpus, limits.memory, limits.replicas),
    )


def _findings(document: Document, error: ValidationError) -> Iterator[Finding]:
    for one in error.errors():
        got = one.get("input")
        told = f"; got {got!r}" if isinstance(got, (str, int, float, list)) else ""
        yield _finding(document, one["loc"], f"{one['msg']}{told}")


def _finding(document: Document, path: tuple[Any, ...], message: str) -> Finding:
    known = "a pool has labels, accelerator, resources and limits (gpus, cpus, memory, replicas)"
    return Finding("error", "UMB-G263", message, document.place(path), known)
