"""KServe's Feast transformer for YAML: entity ids in, rows with their features out.

A transformer container with ``--feast_serving_url``, ``--entity_id_name`` and ``--feature_refs``
becomes this class, whatever its image. As with KServe's, ``{"instances": [[1001], [1002]]}``
goes to the predictor as rows of the features in alphabetical order with the entity id behind
them; with ``--protocol v2`` as one FP32 tensor. Beyond KServe's: a feature service, several
entity ids, a local repository, the policies, one look-up for all requests in flight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from umbel.graph.errors import DeclarationError, InvalidInput, NotReady
from umbel.transformers.entity_rows import Columns
from umbel.transformers.feast_features import Wanted, server_url
from umbel.transformers.feature_enricher import FeatureEnricher
from umbel.transformers.feature_policies import Policies
from umbel.transformers.feature_source import Field

Words = str | Sequence[str]
"""One value of the command line, or several."""

V2_INPUT = "INPUT_0"
"""The name of the tensor that KServe's transformer sends."""


class FeastTransformer:
    """The arguments are those of the container's command line, all text."""

    def __init__(  # noqa: PLR0913  one for each argument of the command line
        self,
        *,
        feast_serving_url: str = "",
        feast_repo: str = "",
        entity_id_name: Words = (),
        feature_refs: Words = (),
        feature_service: str = "",
        protocol: str = "v1",
        on_missing: Any = "fail",
        on_stale: Any = "pass",
        on_failure: Any = "fail",
        default: Words = (),
        max_age_s: str = "",
        timeout_s: str = "2",
    ) -> None:
        names, refs = _words(entity_id_name), _words(feature_refs)
        if not (feast_serving_url or feast_repo) or not (refs or feature_service):
            raise DeclarationError(
                "a Feast transformer needs --feast_serving_url host:6566, --entity_id_name "
                "driver_id and --feature_refs view:feature …"
            )
        if feast_serving_url and not names:
            raise DeclarationError("a Feast transformer needs --entity_id_name driver_id")
        self._v2 = protocol in ("v2", "grpc-v2")
        where = feast_repo or server_url(feast_serving_url)
        keys = tuple(Field(name) for name in names)
        source = Wanted(where, feature_service or refs, keys, full_names=True).source()
        ages = {"": _number("max_age_s", max_age_s)} if max_age_s else {}
        policies = Policies(on_missing, on_stale, on_failure, _defaults(_words(default)), ages)
        self._enricher = FeatureEnricher(
            source, policies, order=names, timeout_s=_number("timeout_s", timeout_s)
        )

    def load(self) -> None:
        """Connect, and check names. Raises DeclarationError."""
        self._enricher.open()

    async def close(self) -> None:
        """Release the store: umbel calls this when the service ends."""
        await self._enricher.close()

    async def preprocess(self, payload: Any) -> Any:
        """A V1 or V2 request of entity ids → the predictor's request. Raises InvalidInput."""
        columns = await self._enricher.enriched(_entities(payload, self._enricher.keys))
        if not self._enricher.features and len(columns) == len(self._enricher.keys):
            raise NotReady("the feature server has not told its features yet")
        rows = self._rows(columns)
        if not self._v2:
            return {"instances": rows}
        try:
            table = np.array(rows, np.float32).reshape(len(rows), -1)
        except (TypeError, ValueError):
            raise InvalidInput("the predictor takes FP32, and a feature is no number") from None
        tensor = {"name": V2_INPUT, "shape": list(table.shape), "datatype": "FP32"}
        return {"inputs": [{**tensor, "data": table.ravel().tolist()}]}

    def _rows(self, columns: Columns) -> list[list[Any]]:
        """The features by their names without the view's, then the entity ids."""
        keys = self._enricher.keys
        features = sorted(
            (name for name in columns if name not in keys),
            key=lambda name: (name.rpartition("__")[2], name),
        )
        return [list(row) for row in zip(*(columns[n] for n in (*features, *keys)), strict=True)]


def _entities(payload: Any, keys: Sequence[str]) -> Any:
    """The rows of entity ids: V1's instances, or V2's tensors, by name or as rows."""
    if isinstance(payload, dict) and isinstance(payload.get("instances"), list):
        return payload["instances"]
    tensors = payload.get("inputs") if isinstance(payload, dict) else None
    if not isinstance(tensors, list) or not all(isinstance(t, dict) for t in tensors):
        raise InvalidInput('expected {"instances": [[entity id], …]} or a V2 request')
    columns = {str(t.get("name")): _flat(t.get("data")) for t in tensors}
    if set(keys) <= set(columns):
        return columns
    if len(columns) != 1:
        raise InvalidInput(f"expected tensors named {list(keys)}, got {list(columns)}")
    (values,) = columns.values()
    if len(values) % len(keys):
        raise InvalidInput(f"expected rows of {list(keys)}, got {len(values)} values")
    return [values[start : start + len(keys)] for start in range(0, len(values), len(keys))]


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise InvalidInput('expected "data" with the entity ids')
    return [one for item in data for one in (_flat(item) if isinstance(item, list) else [item])]


def _words(value: Words) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else tuple(value)


def _defaults(pairs: Sequence[str]) -> dict[str, float]:
    """``--default conv_rate=0.1 …``."""
    split = [pair.partition("=") for pair in pairs]
    return {name: _number(f"default {name}", value) for name, _, value in split}


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DeclarationError(f"--{name}: expected a number, got {text!r}") from None
