"""Resources of one application → its Serve configuration, or what is wrong with them.

Nothing here reads a file, a URL or a class that a resource names: whether a model is there is
for the replicas to find out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from umbel.graph import passes
from umbel.graph.checks import check
from umbel.graph.errors import UmbelError
from umbel.graph.finding_codes import MODEL_MISSING
from umbel.graph.findings import Finding, Place, has_errors
from umbel.graph.inference import infer
from umbel.k8s.manifests import ServeOptions, applications, unsupported
from umbel.k8s.operator.revisions import digest_of
from umbel.k8s.operator.world import Key, Raw
from umbel.k8s.resources import load
from umbel.k8s.resources.codes import SERVICE_ELSEWHERE
from umbel.k8s.resources.sizes import too_large_together
from umbel.k8s.translate import translate
from umbel.k8s.translate.containers import IN_CLUSTER, ContainerAddresses

BUILDER = "umbel.serving.owned_application:build"
INGRESS = "graph"
BODY_LIMIT = 64 * 1024 * 1024

_LEFT_TO_OTHERS = frozenset({MODEL_MISSING, SERVICE_ELSEWHERE})
"""Whether a model is there is for the replica to find out; a graph's plan tells of the services
that it does not find, and calls the others wherever they run."""


@dataclass(frozen=True)
class Compiled:
    """``config``: the application without owner and route; None where a finding forbids it."""

    config: Raw | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What forbids serving."""
        return tuple(one for one in self.findings if one.severity == "error")


def document(key: Key, content: Raw) -> dict[str, Any]:
    """A resource with this name and content, as its user would have written it."""
    version = "v1beta1" if key.kind == "InferenceService" else "v1alpha1"
    return {
        "apiVersion": f"serving.kserve.io/{version}",
        "kind": key.kind,
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "annotations": dict(content.get("annotations") or {}),
        },
        "spec": content.get("spec") or {},
    }


def compiled(
    key: Key,
    documents: Iterable[Raw],
    mounted: str,
    env: Mapping[str, str] | None = None,
    addresses: Mapping[str, str] | None = None,
) -> Compiled:
    """The application of the resource ``key``, which is among ``documents`` with what it needs.
    ``mounted``: the path it answers below; ``env``: variables of its replicas;
    ``addresses``: where its containers answer, by the names of KServe's Services."""
    texts = tuple(json.dumps(one, sort_keys=True) for one in documents)
    given = tuple(sorted((addresses or {}).items()))
    return _compiled(key, texts, mounted, json.dumps(dict(env or {}), sort_keys=True), given)


@lru_cache(maxsize=8192)
def _compiled(
    key: Key,
    texts: tuple[str, ...],
    mounted: str,
    env: str,
    addresses: tuple[tuple[str, str], ...],
) -> Compiled:
    # The file's folder is where relative paths start: the root, of the replica's machine.
    named = [(f"/{number}.yaml", text) for number, text in enumerate(texts)]
    try:
        given = replace(IN_CLUSTER, given=dict(addresses))
        return _built(key, named, mounted, json.loads(env), given)
    except UmbelError as error:
        return Compiled(None, (_finding("UMB-K701", str(error), "see the message"),))
    except Exception as error:
        text = f"umbel cannot read this resource: {type(error).__name__}: {error}"
        return Compiled(None, (_finding("UMB-K701", text, "please report it"),))


def _built(
    key: Key,
    texts: list[tuple[str, str]],
    mounted: str,
    env: Mapping[str, str],
    addresses: ContainerAddresses,
) -> Compiled:
    if (large := too_large_together(text for _, text in texts)) is not None:
        return Compiled(None, (large,))
    translated = translate(texts, addresses)
    findings = [one for one in translated.findings if one.code not in _LEFT_TO_OTHERS]
    if has_errors(findings):
        return Compiled(None, tuple(findings))
    program = infer(translated.program)
    findings += [one for one in check(program) if one.code not in _LEFT_TO_OTHERS]
    subject = f"{key.kind} {key.name}"
    findings += [one for one in unsupported(load(texts)) if one.subject == subject]
    if has_errors(findings):
        return Compiled(None, tuple(findings))
    names = [name for name in program.served if name == key.name]
    if not names:
        missing = f"{key} is served under no name"
        return Compiled(None, (*findings, _finding("UMB-K701", missing, "rename it")))
    plan = passes.plan(program.only(names[0]))
    options = ServeOptions(
        namespace=key.namespace, runtime_env={"env_vars": dict(env)} if env else {}
    )
    (config,) = applications(plan, options)
    inner = {**config["args"], "mounted": mounted}
    return Compiled({**config, "args": inner}, tuple(findings))


def _finding(code: str, message: str, fix: str) -> Finding:
    return Finding("error", code, message, Place(), fix)


def application(
    config: Raw, *, operator: str, key: Key, revision: str, route: str | None
) -> dict[str, Any]:
    """The Serve application for one compiled resource. Its name holds a digest of what runs, so
    an application never changes: another content is another application beside it."""
    body = {
        "import_path": BUILDER,
        "args": {"application": config["args"]},
        **{name: config[name] for name in ("runtime_env", "deployments") if name in config},
    }
    return _owned(body, operator, key, revision, "model", route)


def front(
    shares: Mapping[str, int],
    *,
    operator: str,
    key: Key,
    path: str,
    target: str,
    route: str | None,
) -> dict[str, Any]:
    """The application that divides requests below ``path`` among others, which know them as
    being below ``target``."""
    settings = {
        "shares": dict(sorted(shares.items())),
        "path": path,
        "target": target,
        "body_limit": BODY_LIMIT,
    }
    body = {"import_path": BUILDER, "args": {"front": settings}}
    return _owned(body, operator, key, "", "front", route)


def _owned(
    body: dict[str, Any], operator: str, key: Key, revision: str, role: str, route: str | None
) -> dict[str, Any]:
    owner = {"operator": operator, "resource": list(key), "role": role, "revision": revision}
    return {
        "name": f"{key.namespace}.{key.name}.{digest_of([key.kind, body])}",
        "route_prefix": route,
        **body,
        "args": {"owner": owner, **body["args"]},
    }
