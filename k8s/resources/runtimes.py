"""Which serving runtime a model gets: KServe's own rules, in KServe's own order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from umbel.graph.findings import Finding, Place
from umbel.k8s.resources.builtin_pods import PODS
from umbel.k8s.resources.builtin_runtimes import BUILT_IN, BuiltInRuntime
from umbel.k8s.resources.field_check import closest
from umbel.k8s.resources.resource import Resource
from umbel.k8s.resources.serving_runtime import (
    RuntimeWorkerSpec,
    ServingRuntimeSpec,
    SupportedModelFormat,
)

PROTOCOLS = ("v1", "v2", "grpc-v1", "grpc-v2")
"""The data-plane protocols, the one that is preferred first."""

Failure = Literal["RuntimeNotRecognized", "RuntimeDisabled", "NoSupportingRuntime"]
"""KServe's reasons, as it writes them to ``status.modelStatus.lastFailureInfo``."""


@dataclass(frozen=True)
class Runtime:
    """A runtime that may be selected. ``namespace`` is empty for cluster-wide ones.

    ``created`` is an RFC 3339 time where it is known (from a cluster): of two equal runtimes
    the newer one wins. ``pod`` is its spec as plain data: the pod it runs models in.
    """

    name: str
    spec: ServingRuntimeSpec
    namespace: str = ""
    created: str = ""
    pod: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @staticmethod
    def of(resource: Resource[ServingRuntimeSpec]) -> Runtime:
        """A runtime read from a file or a cluster."""
        created = resource.data.get("metadata", {}).get("creationTimestamp", "")
        pod = resource.data.get("spec") or {}
        return Runtime(resource.name, resource.spec, resource.namespace, created, pod)

    @property
    def image(self) -> str:
        """The image of the container that serves; empty where it names none."""
        for one in self.pod.get("containers") or ():
            if one.get("name") == "kserve-container":
                return str(one.get("image") or "")
        return ""

    def supports_protocol(self, protocol: str) -> bool:
        """True also where the runtime lists no protocol at all."""
        return not self.spec.protocol_versions or protocol in self.spec.protocol_versions

    def supports_format(self, name: str, version: str | None, automatic: bool) -> bool:
        """``automatic``: only formats that may be chosen automatically count."""
        return any(
            one.name == name and version in (None, one.version)
            for one in self.spec.supported_model_formats
            if one.auto_select or not automatic
        )

    def priority(self, format_name: str) -> int | None:
        """The priority of the first entry of that format, automatic or not."""
        return next(
            (one.priority for one in self.spec.supported_model_formats if one.name == format_name),
            None,
        )


@dataclass(frozen=True)
class RuntimeChoice:
    """The selected runtime and the protocol the model speaks with it."""

    runtime: Runtime
    protocol: str

    @property
    def name(self) -> str:
        """The runtime's name."""
        return self.runtime.name


def built_in_runtimes() -> tuple[Runtime, ...]:
    """The runtimes of a fresh KServe installation."""
    return tuple(_from_row(row) for row in BUILT_IN if row.installed)


def available_runtimes(declared: Iterable[Resource[ServingRuntimeSpec]]) -> tuple[Runtime, ...]:
    """The declared runtimes and the built-in ones that none of them replaces."""
    own = [Runtime.of(resource) for resource in declared]
    taken = {runtime.name for runtime in own if not runtime.namespace}
    return (*own, *(one for one in built_in_runtimes() if one.name not in taken))


def select_runtime(
    model_format: str,
    version: str | None,
    protocol: str | None,
    runtime: str | None,
    multi_model: bool,
    namespace: str,
    runtimes: Sequence[Runtime],
    *,
    multi_node: bool = False,
) -> RuntimeChoice | Finding:
    """The runtime for a model, or an error finding (without a place) that says why none fits.

    ``runtime`` is the name the model asks for, if it does. ``protocol`` None is v1 for the
    selection and then the lowest one the selected runtime has. ``multi_node`` is True for a
    predictor with a workerSpec.
    """
    if runtime is not None:
        return _named(model_format, version, protocol, runtime, namespace, runtimes)
    wanted = protocol or "v1"
    for scope in (namespace, ""):
        eligible = [
            one
            for one in runtimes
            if one.namespace == scope
            and not one.spec.disabled
            and one.spec.multi_model == multi_model
            and (one.spec.worker_spec is not None) == multi_node
            and one.supports_protocol(wanted)
            and one.supports_format(model_format, version, automatic=True)
        ]
        if eligible:
            return _choice(_in_order(eligible, model_format)[0], protocol)
        if not namespace:
            break
    return _none_fits(model_format, version, wanted, namespace, runtimes)


def protocol_rank(protocols: Iterable[str]) -> int:
    """The place of the lowest protocol among `PROTOCOLS`; past the end for none or unknown."""
    ranks = [PROTOCOLS.index(one) if one in PROTOCOLS else len(PROTOCOLS) for one in protocols]
    return min(ranks, default=len(PROTOCOLS))


def _in_order(eligible: Sequence[Runtime], model_format: str) -> list[Runtime]:
    """Best first: priority, then lowest protocol, then newest, then name."""
    ordered = sorted(eligible, key=lambda one: one.name)
    ordered.sort(key=lambda one: one.created, reverse=True)
    ordered.sort(key=lambda one: protocol_rank(one.spec.protocol_versions))
    return sorted(ordered, key=lambda one: -(one.priority(model_format) or 0))


def _choice(runtime: Runtime, protocol: str | None) -> RuntimeChoice:
    rank = protocol_rank(runtime.spec.protocol_versions)
    default = PROTOCOLS[rank] if rank < len(PROTOCOLS) else "v1"
    return RuntimeChoice(runtime, protocol or default)


def _named(
    model_format: str,
    version: str | None,
    protocol: str | None,
    name: str,
    namespace: str,
    runtimes: Sequence[Runtime],
) -> RuntimeChoice | Finding:
    visible = [one for one in runtimes if one.namespace in (namespace, "")]
    found = sorted((one for one in visible if one.name == name), key=lambda one: not one.namespace)
    if not found:
        names = sorted({one.name for one in visible})
        guess = closest(name, names)
        return _failure(
            "RuntimeNotRecognized",
            f"there is no serving runtime {name!r}",
            f"did you mean {guess!r}?" if guess else f"use one of: {', '.join(names)}",
        )
    one = found[0]
    if one.spec.disabled:
        return _failure(
            "RuntimeDisabled",
            f"the serving runtime {name!r} is disabled",
            "name another runtime, or remove 'runtime' to have one chosen",
        )
    if protocol is not None and not one.supports_protocol(protocol):
        return _failure(
            "NoSupportingRuntime",
            f"the serving runtime {name!r} does not speak {protocol}",
            f"set protocolVersion to one of: {', '.join(one.spec.protocol_versions)}",
        )
    if not one.supports_format(model_format, version, automatic=False):
        return _failure(
            "NoSupportingRuntime",
            f"the serving runtime {name!r} does not serve {_format_text(model_format, version)}",
            f"its formats are: {_formats_text([one])}",
        )
    return _choice(one, protocol)


def _none_fits(
    model_format: str,
    version: str | None,
    protocol: str,
    namespace: str,
    runtimes: Sequence[Runtime],
) -> Finding:
    visible = [one for one in runtimes if one.namespace in (namespace, "")]
    same = [one for one in visible if one.supports_format(model_format, None, automatic=False)]
    if not same:
        names = {f.name for one in visible for f in one.spec.supported_model_formats}
        guess = closest(model_format, names)
        return _failure(
            "NoSupportingRuntime",
            f"no serving runtime serves the model format {model_format!r}",
            f"did you mean {guess!r}?"
            if guess
            else f"use one of {', '.join(sorted(names))}, or declare a ServingRuntime for it",
        )
    rows = "; ".join(
        f"{one.name}: {_formats_text([one], model_format)}"
        f" over {', '.join(one.spec.protocol_versions) or 'any protocol'}"
        + (" (disabled)" if one.spec.disabled else "")
        for one in same
    )
    return _failure(
        "NoSupportingRuntime",
        f"no serving runtime is chosen for {_format_text(model_format, version)} over {protocol}",
        f"change version or protocolVersion, or name a runtime; there is {rows}",
    )


def _format_text(name: str, version: str | None) -> str:
    return f"{name} {version}" if version is not None else name


def _formats_text(runtimes: Iterable[Runtime], only: str = "") -> str:
    found = {
        _format_text(one.name, one.version)
        for runtime in runtimes
        for one in runtime.spec.supported_model_formats
        if not only or one.name == only
    }
    return ", ".join(sorted(found))


def _failure(reason: Failure, message: str, fix: str) -> Finding:
    return Finding("error", "UMB-K219", f"{reason}: {message}", Place(), fix)


def _from_row(row: BuiltInRuntime) -> Runtime:
    formats = tuple(
        SupportedModelFormat(name=name, version=version, auto_select=auto, priority=priority)
        for name, version, auto, priority in row.formats
    )
    return Runtime(
        row.name,
        ServingRuntimeSpec(
            supported_model_formats=formats,
            protocol_versions=row.protocols,
            worker_spec=RuntimeWorkerSpec() if row.multi_node else None,
        ),
        pod=PODS.get(row.name, {}),
    )
