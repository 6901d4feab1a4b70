"""Features through Feast's SDK, from a repository whose ``feature_store.yaml`` names the stores.

The only file that imports Feast. The SDK blocks and its SQLite store keeps one connection, so
look-ups run one after another in a thread of their own; requests in flight share a look-up.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import feast
from feast.errors import FeastError, FeatureViewNotFoundException
from feast.type_map import feast_value_type_to_python_type

from umbel.graph.errors import DeclarationError
from umbel.nodes.descriptions import listing
from umbel.transformers.feature_source import (
    Description,
    FeatureColumn,
    Field,
    StoreRefused,
    StoreUnreachable,
)

log = logging.getLogger("umbel.feast")

_KINDS = {
    "INT64": "int",
    "INT32": "int",
    "FLOAT": "float",
    "DOUBLE": "float",
    "STRING": "str",
    "BOOL": "bool",
    "BYTES": "bytes",
}
_SAMPLES: dict[str, Any] = {"int": 0, "float": 0.0, "str": "", "bool": False, "bytes": b""}
"""A value of each kind, to ask an online store for once."""

_REFUSALS = (ValueError, TypeError, KeyError, AttributeError)
"""What the SDK raises for a value it cannot convert."""


class FeastStore:
    """A Feast repository. ``features`` are references (``view:feature``), or the name of a
    feature service."""

    def __init__(self, repo: str, features: Sequence[str] | str, *, full_names: bool) -> None:
        self._repo, self._asked, self._full = repo, features, full_names
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="umbel-feast")
        self._store: Any = None
        self._features: Any = None

    def open(self) -> Description:
        """Read the registry, in the thread that will use it. Raises DeclarationError."""
        return self._thread.submit(self._open).result()

    async def look_up(self, columns: Mapping[str, Sequence[Any]]) -> Mapping[str, FeatureColumn]:
        """See FeatureSource."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._look_up, columns)

    async def close(self) -> None:
        """Let the thread go; a look-up that hangs is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _open(self) -> Description:
        folder = Path(self._repo)
        if not (folder / "feature_store.yaml").is_file():
            raise DeclarationError(
                f"{folder.absolute()} is no Feast repository: it has no feature_store.yaml; "
                "write the path of the folder that has it"
            )
        with _quietly():
            try:
                self._store = feast.FeatureStore(repo_path=str(folder))
                views = self._views()
            except FileNotFoundError as error:
                raise self._not_applied(f"{error.filename or error} is not there") from None
            except FeastError as error:
                raise DeclarationError(f"the Feast repository {folder}: {error}") from error
            description = self._described(views)
            self._probe(description)
        return description

    def _not_applied(self, reason: str) -> DeclarationError:
        return DeclarationError(
            f"the Feast repository {self._repo} is not applied ({reason}): "
            f"run `feast -c {self._repo} apply`, then `feast -c {self._repo} "
            "materialize-incremental $(date -u +%Y-%m-%dT%H:%M:%S)`"
        )

    def _views(self) -> list[tuple[Any, list[str]]]:
        """The feature views asked for, each with the names of its features."""
        store = self._store
        views = {
            view.name: view
            for view in (
                *store.list_feature_views(),
                *store.list_stream_feature_views(),
                *store.list_on_demand_feature_views(),
            )
        }
        if not views:
            raise self._not_applied("its registry holds no feature view")
        if isinstance(self._asked, str):
            return self._of_service(store, views, self._asked)
        self._features = list(self._asked)
        wanted: dict[str, list[str]] = {}
        problems = []
        for reference in self._asked:
            name, _, feature = reference.partition(":")
            there = [field.name for field in views[name].features] if name in views else []
            if name not in views:
                problems.append(f"{reference!r}: there is no view {name!r}; {listing(list(views))}")
            elif feature not in there:
                problems.append(f"{reference!r}: {name!r} has the features {listing(there)}")
            wanted.setdefault(name, []).append(feature)
        if problems:
            raise DeclarationError(
                f"unknown features in {self._repo}: {'; '.join(problems)}. "
                'Write features=["view:feature", …]'
            )
        return [(views[name], features) for name, features in wanted.items()]

    def _of_service(
        self, store: Any, views: Mapping[str, Any], name: str
    ) -> list[tuple[Any, list[str]]]:
        services = {service.name: service for service in store.list_feature_services()}
        if name not in services:
            raise DeclarationError(
                f"{self._repo} has no feature service {name!r}; it has {listing(list(services))}: "
                'write features="service", or a list of "view:feature"'
            )
        self._features = services[name]
        found = []
        for part in services[name].feature_view_projections:
            if part.name not in views:
                raise DeclarationError(
                    f"the feature service {name!r} names a view {part.name!r} that the registry "
                    f"does not have: run `feast -c {self._repo} apply`"
                )
            found.append((views[part.name].with_projection(part), [f.name for f in part.features]))
        return found

    def _described(self, views: list[tuple[Any, list[str]]]) -> Description:
        keys: dict[str, Field] = {}
        asked: dict[str, Field] = {}
        ages: dict[str, float] = {}
        names: list[str] = []
        for view, features in views:
            shown = [f"{view.projection.name_to_use()}__{f}" if self._full else f for f in features]
            names += shown
            for column in _entity_columns(view, self._store):
                keys.setdefault(column.name, column)
            for schema in getattr(view, "source_request_sources", {}).values():
                for field in schema.schema:
                    asked[field.name] = Field(field.name, _kind(field.dtype.to_value_type()))
            ttl = getattr(view, "ttl", None)
            if ttl:
                ages.update(dict.fromkeys(shown, ttl.total_seconds()))
        return Description(tuple(keys.values()), tuple(asked.values()), tuple(names), ages)

    def _probe(self, description: Description) -> None:
        """One look-up of a made-up row: tables that are not there are told now. A store that
        does not answer is told in the log only, for it may start later."""
        fields = (*description.join_keys, *description.request_fields)
        if any(field.kind not in _SAMPLES for field in fields):
            return
        try:
            self._look_up({field.name: [_SAMPLES[field.kind]] for field in fields})
        except StoreUnreachable as error:
            if "no such table" in str(error):
                raise self._not_applied(str(error)) from error
            log.warning("the Feast repository %s: %s", self._repo, error)
        except StoreRefused:  # an on-demand view's code that does not take nulls
            return

    def _look_up(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, FeatureColumn]:
        with _quietly():
            try:
                response = self._store.get_online_features(
                    features=self._features,
                    entity_rows={name: list(column) for name, column in columns.items()},
                    full_feature_names=self._full,
                )
            except FeatureViewNotFoundException as error:
                raise StoreUnreachable(f"the Feast registry has changed: {error}") from error
            except (FeastError, *_REFUSALS) as error:
                raise StoreRefused(f"Feast: {error}") from error
            except Exception as error:  # each kind of online store has errors of its own
                reason = f"{type(error).__name__}: {error}"
                raise StoreUnreachable(f"the online store of {self._repo}: {reason}") from error
        proto = response.proto
        return {
            name: FeatureColumn(
                [feast_value_type_to_python_type(value) for value in vector.values],
                [stamp.seconds + stamp.nanos / 1e9 for stamp in vector.event_timestamps],
            )
            for name, vector in zip(proto.metadata.feature_names.val, proto.results, strict=True)
            if name not in columns
        }


def _entity_columns(view: Any, store: Any) -> Iterator[Field]:
    """The join keys of a view; of an on-demand view those of the views it reads."""
    for source in getattr(view, "source_feature_view_projections", {}).values():
        yield from _entity_columns(store.get_feature_view(source.name), store)
    renamed = view.projection.join_key_map
    for column in getattr(view, "entity_columns", ()):
        if column.name != "__dummy_id":
            name = renamed.get(column.name, column.name)
            yield Field(name, _kind(column.dtype.to_value_type()))


def _kind(value_type: Any) -> str:
    return _KINDS.get(value_type.name, "any")


@contextmanager
def _quietly() -> Iterator[None]:
    """Without Feast's warnings to those who write definitions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
