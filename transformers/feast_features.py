"""``feast_features(...)``: a step that joins features from a Feast store to the rows it gets.

drivers = feast_features("feature_repo", features="ranking", on_missing="default",
                         defaults={"conv_rate": 0.0})

@inference_graph
def rank(x):
    return model(drivers(x))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from umbel.graph.definitions import ClassDefinition, NodeDefinition
from umbel.graph.errors import DeclarationError, InvalidInput, MissingExtra, NodeFailed
from umbel.graph.findings import Place
from umbel.graph.options import NodeOptions
from umbel.graph.tracing import caller_place
from umbel.transformers.entity_rows import KINDS
from umbel.transformers.feature_enricher import FeatureEnricher
from umbel.transformers.feature_policies import Policies, Policy
from umbel.transformers.feature_source import FeatureSource, Field

Output = Literal["columns", "rows", "array", "dataframe"]
"""``columns``: an array for each name. ``rows``: an object for each row. ``array``: float64
``[rows, columns]``, null as NaN. ``dataframe``: a pandas DataFrame."""


def feast_features(  # noqa: PLR0913  one for each thing a user may state
    repo: str = "",
    *,
    features: Sequence[str] | str,
    url: str = "",
    entities: Sequence[str] | Mapping[str, str] = (),
    request: Sequence[str] | Mapping[str, str] = (),
    columns: Sequence[str] = (),
    output: Output = "columns",
    on_missing: Policy = "fail",
    on_stale: Policy = "pass",
    on_failure: Policy = "fail",
    defaults: Mapping[str, Any] | None = None,
    max_age_s: float | Mapping[str, float] | None = None,
    timeout_s: float = 2.0,
    max_rows: int = 256,
    full_names: bool = False,
    name: str = "",
    options: NodeOptions | None = None,
) -> NodeDefinition:
    """A node with one input, rows, and one output, the rows with their features.

    Give ``repo``, the folder of a Feast repository (relative to the declaring file), or ``url``,
    a Feast feature server. ``features``: a list of ``"view:feature"``, or a feature service.
    ``entities``: the join keys, in the order of rows that are lists; a server needs them, and
    takes their kinds too: ``{"driver_id": "int"}``. ``request``: request-time values that
    on-demand views of a server ask for. ``columns``: what comes out and in which order (default:
    join keys, the rows' other values, features). ``max_age_s``: seconds after which a value is
    stale (default: the view's ttl). ``timeout_s`` holds for each request; ``max_rows`` for one
    look-up of joined requests. The policies are those of ``feature_policies``.
    """
    place = caller_place()
    mistake = _mistake(repo, url, features, entities, output)
    if mistake:
        raise DeclarationError(f"{place}: {mistake}")
    ages = max_age_s if isinstance(max_age_s, Mapping) else {"": max_age_s} if max_age_s else {}
    try:
        policies = Policies(on_missing, on_stale, on_failure, dict(defaults or {}), dict(ages))
        policies.check()
        wanted = _wanted(_source(repo, url, place), features, entities, request, full_names)
    except DeclarationError as error:
        raise DeclarationError(f"{place}: {error}") from None
    own = options or NodeOptions(deterministic=False)
    made = ClassDefinition("transformer", FeastFeatures, name=name, options=own, place=place)
    limits: dict[str, Any] = {"timeout_s": timeout_s, "max_rows": max_rows}
    return made(wanted, columns=tuple(columns), output=output, policies=policies, **limits)


def _source(repo: str, url: str, place: Place) -> str:
    """The folder or URL that features come from; a relative folder is relative to the file."""
    if repo and not Path(repo).is_absolute() and place.file:
        return str(Path(place.file).resolve().parent / repo)
    return repo or server_url(url)


def server_url(address: str) -> str:
    """``feast:6566`` is one over HTTP."""
    return (address if "://" in address else f"http://{address}").rstrip("/")


def _wanted(
    source: str, features: Sequence[str] | str, entities: Any, request: Any, full_names: bool
) -> Wanted:
    named = features if isinstance(features, str) else tuple(features)
    return Wanted(source, named, _fields(entities), _fields(request), full_names)


def _mistake(repo: str, url: str, features: object, entities: object, output: str) -> str:
    if bool(repo) == bool(url):
        return 'give a repository "feature_repo", or url="http://…:6566"'
    if url and not entities:
        return 'a feature server does not tell its join keys: write entities=["driver_id"]'
    if not features:
        return 'features= is empty: write features=["view:feature", …]'
    if output not in get_args(Output):
        return f"output is one of {get_args(Output)}, not {output!r}"
    return ""


def _fields(asked: Sequence[str] | Mapping[str, str]) -> tuple[Field, ...]:
    if isinstance(asked, str):
        raise DeclarationError(f"expected a list of names, got {asked!r}: write [{asked!r}]")
    pairs = asked.items() if isinstance(asked, Mapping) else [(name, "any") for name in asked]
    for name, kind in pairs:
        if kind not in KINDS:
            raise DeclarationError(f"{name!r} is one of {', '.join(KINDS)}, not {kind!r}")
    return tuple(Field(name, kind) for name, kind in pairs)


@dataclass(frozen=True)
class Wanted:
    """Which features of which store: ``where`` is a URL, or the folder of a repository. ``keys``
    and ``request_fields`` are for servers, which do not tell theirs."""

    where: str
    features: Sequence[str] | str
    keys: tuple[Field, ...] = ()
    request_fields: tuple[Field, ...] = ()
    full_names: bool = False

    def source(self) -> FeatureSource:
        """The store, not connected yet. Raises MissingExtra."""
        if "://" in self.where:
            from umbel.transformers.feast_server import FeastServer  # needs no Feast

            return FeastServer(
                self.where,
                self.features,
                self.keys,
                self.request_fields,
                full_names=self.full_names,
            )
        try:
            from umbel.transformers.feast_store import FeastStore
        except ModuleNotFoundError as error:
            raise MissingExtra("feast_features", error.name or "feast", "feast") from error
        return FeastStore(self.where, self.features, full_names=self.full_names)


class FeastFeatures:
    """The code of a ``feast_features`` node. Requests in flight share a look-up."""

    def __init__(
        self,
        wanted: Wanted,
        *,
        columns: Sequence[str],
        output: Output,
        policies: Policies,
        timeout_s: float,
        max_rows: int,
    ) -> None:
        self._columns, self._output = tuple(columns), output
        self._enricher = FeatureEnricher(
            wanted.source(),
            policies,
            order=[field.name for field in wanted.keys],
            timeout_s=timeout_s,
            max_rows=max_rows,
        )

    def load(self) -> None:
        """Connect, and check names. Raises DeclarationError."""
        self._enricher.open()
        known = {*self._enricher.features, *(field.name for field in self._enricher.fields)}
        unknown = [name for name in self._columns if name not in known]
        if self._enricher.features and unknown and self._output == "array":
            raise DeclarationError(f"columns={unknown}: there are {sorted(known)}")

    async def transform(self, x: Any) -> Any:
        """The rows with their features."""
        found = await self._enricher.enriched(x)
        if not any(map(len, found.values())):
            raise InvalidInput("expected at least one row to look up features for, got none")
        names = self._columns or tuple(found)
        absent = [name for name in names if name not in found]
        if absent:
            raise DeclarationError(f"columns={absent}: there are {sorted(found)}")
        return _shaped({name: found[name] for name in names}, self._output)

    async def close(self) -> None:
        """Release the store."""
        await self._enricher.close()


def _shaped(columns: Mapping[str, list[Any]], output: Output) -> Any:
    if output == "rows":
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if output == "array":
        try:
            return np.array(list(columns.values()), np.float64).T
        except (ValueError, TypeError) as error:
            raise NodeFailed("feast_features: a column holds no numbers") from error
    arrays = {name: _array(column) for name, column in columns.items()}
    if output == "columns":
        return arrays
    import pandas as pd

    return pd.DataFrame(arrays)


def _array(column: list[Any]) -> Any:
    """An array of numbers, null as NaN; of objects where there is anything else."""
    kinds = {type(value) for value in column}
    if kinds <= {int, float, type(None)} and kinds & {float, type(None)} and kinds != {type(None)}:
        return np.array([np.nan if value is None else value for value in column], np.float64)
    if len(kinds) == 1 and kinds <= {int, bool}:
        return np.array(column)
    out = np.empty(len(column), object)
    out[:] = column
    return out
