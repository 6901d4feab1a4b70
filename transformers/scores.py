"""From a model's numbers to an answer: softmax, the best classes, labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from umbel.graph.annotations import Tensor
from umbel.graph.definitions import ClassDefinition, NodeDefinition
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.options import NodeOptions
from umbel.graph.tracing import caller_place

Row = list[dict[str, Any]]


def softmax(logits: Any) -> Any:
    """Probabilities along the last axis, of numbers of any size."""
    values = np.asarray(logits)
    values = values.astype(np.result_type(values.dtype, np.float32), copy=False)
    if not values.size:
        return values
    raised = np.exp(values - values.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def best_classes(
    scores: Any, k: int, labels: Sequence[str] = (), *, logits: bool = False
) -> list[Row]:
    """For each row the ``k`` best classes, best first: ``{"label": …, "score": …}``, with the
    class's number as ``class`` where there are no labels. Of equal scores the lower class comes
    first. Raises InvalidInput where ``scores`` is no ``[batch, classes]``."""
    table = np.asarray(scores)
    if table.ndim == 1:
        table = table[None, :]
    if table.ndim != 2 or table.dtype.kind not in "fiub":
        raise InvalidInput(f"expected scores [batch, classes], got shape {list(table.shape)}")
    if labels and table.shape[1] != len(labels):
        raise InvalidInput(f"{table.shape[1]} scores and {len(labels)} labels")
    if logits:
        table = softmax(table)
    order = np.argsort(-table.astype(np.float64), axis=1, kind="stable")[:, :k]
    return [
        [
            {"label": labels[c], "score": float(row[c])}
            if labels
            else {"class": int(c), "score": float(row[c])}
            for c in best
        ]
        for row, best in zip(table, order, strict=True)
    ]


def probabilities(*, name: str = "", options: NodeOptions | None = None) -> NodeDefinition:
    """A node: logits in, probabilities out."""
    made = _definition(Probabilities, name, options)
    return made()


def top_k(
    k: int = 5,
    labels: Sequence[str] = (),
    *,
    logits: bool = False,
    name: str = "",
    options: NodeOptions | None = None,
) -> NodeDefinition:
    """A node: scores ``[batch, classes]`` in, for each row its ``k`` best classes out.
    ``logits``: take the softmax of the scores first."""
    if k < 1 or isinstance(labels, str):
        raise DeclarationError(
            f"{caller_place()}: k={k} is at least 1, and labels a list of names, not {labels!r}"
        )
    made = _definition(TopK, name, options)
    return made(k, tuple(labels), logits)


def class_labels(
    labels: Sequence[str], *, name: str = "", options: NodeOptions | None = None
) -> NodeDefinition:
    """A node: classes ``[batch]`` or scores ``[batch, classes]`` in, their labels out."""
    if isinstance(labels, str) or not labels:
        raise DeclarationError(f"{caller_place()}: labels is a list of names, not {labels!r}")
    made = _definition(ClassLabels, name, options)
    return made(tuple(labels))


def _definition(code: type, name: str, options: NodeOptions | None) -> ClassDefinition:
    return ClassDefinition(
        "transformer", code, name=name, options=options or NodeOptions(), place=caller_place()
    )


class Probabilities:
    """The code of ``probabilities``."""

    def transform(self, x: Annotated[Any, Tensor["..."]]) -> Annotated[Any, Tensor["..."]]:
        """The softmax along the last axis."""
        return softmax(x)


class TopK:
    """The code of ``top_k``."""

    def __init__(self, k: int, labels: Sequence[str], logits: bool) -> None:
        self._k, self._labels, self._logits = k, labels, logits

    def transform(self, x: Annotated[Any, Tensor["batch", "classes"]]) -> list[Row]:
        """The best classes of each row."""
        return best_classes(x, self._k, self._labels, logits=self._logits)


class ClassLabels:
    """The code of ``class_labels``."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = np.array(labels, object)

    def transform(self, x: Annotated[Any, Tensor["..."]]) -> Annotated[Any, Tensor["str", "batch"]]:
        """A label for each row."""
        classes = x if x.ndim < 2 else x.argmax(axis=-1)
        if classes.dtype.kind not in "iu" and not (classes == classes.astype(np.int64)).all():
            raise InvalidInput("expected whole numbers of classes")
        numbers = classes.astype(np.int64).reshape(-1)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self._labels)):
            raise InvalidInput(f"expected classes of 0 to {len(self._labels) - 1}")
        return self._labels[numbers]
