"""The ``alibi`` and ``art`` blocks of an explainer → a graph that explains the service's own.

KServe removed alibi in 0.13, its samples still have the block; ``art`` is in today's API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from umbel.explainers.explainer_options import authors_options, from_texts
from umbel.explainers.method import Method
from umbel.explainers.methods import KSERVE_NOT_OFFERED, KSERVE_TYPES, METHODS, NOT_OFFERED
from umbel.graph.errors import DeclarationError
from umbel.graph.explainer_definitions import SIGNATURE
from umbel.graph.findings import Finding
from umbel.graph.implementations import LibraryExplainer, ModelFile
from umbel.graph.ir import Graph, Node
from umbel.graph.options import NodeOptions
from umbel.graph.steps import Explain, GraphName, Input, NodeName, StepId
from umbel.k8s.resources.explainer import Explainer, ExplainerBlock
from umbel.k8s.translate.names import Service
from umbel.k8s.translate.scaling import scale_of

ALLOW_PICKLE = "umbel.dev/allow-pickle"
EXPLAINER_DIGEST = "umbel.dev/explainer-sha256"
"""The digest of a folder that alibi saved with its pickles."""


def library_explainer(
    service: Service,
    explainer: Explainer,
    served: Graph,
    model: ModelFile | None,
    options: NodeOptions,
) -> tuple[Graph | None, list[Finding]]:
    """The graph that answers ``:explain`` for ``served``, and what is wrong with the block."""
    name, block = explainer.blocks[0]
    path = ("spec", "explainer", name)
    method = METHODS.get(KSERVE_TYPES.get((name, block.type), ""))
    if method is None:
        return None, [
            service.finding("warning", "UMB-K511", (*path, "type"), *_unknown(name, block))
        ]
    settings, findings = _settings(service, block, method, path)
    uri = _uri(service, block)
    missing = _missing(method, uri, model)
    if missing:
        return None, [*findings, service.finding("warning", "UMB-K511", path, *missing)]
    code = LibraryExplainer(
        method.name,
        uri,
        settings=settings,
        model=model if "model" in method.needs else None,
        folder=_folder(service),
    )
    chosen = replace(
        options,
        scale=scale_of(explainer),
        max_concurrency=explainer.container_concurrency or None,
        timeout_s=float(explainer.timeout) if explainer.timeout else None,
        deterministic=False,
    )
    return _graph(service, served, code, chosen), findings


def _unknown(name: str, block: ExplainerBlock) -> tuple[str, str]:
    """Why no method of umbel answers for the block, and the fix."""
    known = [type_ for kind, type_ in KSERVE_TYPES if kind == name]
    what = f"{name} explainer {block.type!r}" if known else f"explainer block {name!r}"
    message = f"umbel does not run the {what}: ':explain' answers 501"
    reason, instead = NOT_OFFERED.get(KSERVE_NOT_OFFERED.get((name, block.type), ""), ("", ""))
    if reason:
        types = [t for (_, t), method in KSERVE_TYPES.items() if method == instead]
        return f"{message}; {reason}", f"type: {types[0]}" if types else f"explainer({instead!r})"
    fix = f"type: {' or '.join(known)}" if known else "write the explainer as a Python class"
    return message, fix


def _settings(
    service: Service, block: ExplainerBlock, method: Method, path: tuple[str, ...]
) -> tuple[dict[str, object], list[Finding]]:
    """The block's ``config`` in its own types, with a finding for each part of it that means
    nothing."""
    settings: dict[str, object] = {}
    findings = []
    for key, value in from_texts(method, block.config).items():
        try:
            settings |= authors_options(method, {key: value})
        except DeclarationError as error:
            fix = f"there are: {', '.join(sorted(method.known()))}"
            place = (*path, "config", key)
            findings.append(service.finding("warning", "UMB-K514", place, str(error), fix))
    return {**settings, **_permissions(service.annotations)}, findings


def _permissions(annotations: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    if str(annotations.get(ALLOW_PICKLE, "")).lower() == "true":
        found["allow_pickle"] = True
    if annotations.get(EXPLAINER_DIGEST):
        found["sha256"] = str(annotations[EXPLAINER_DIGEST])
    return found


def _missing(method: Method, uri: str, model: ModelFile | None) -> tuple[str, str] | None:
    """Why the method cannot start, and the fix."""
    if "weights" in method.needs and not uri:
        return (
            f"{method.name} is trained before it serves, and the block names no folder: "
            "':explain' answers 501",
            "storageUri: the folder that explainer(...).save wrote",
        )
    if "train" in method.needs and not uri:
        return (
            f"{method.name} is fitted to training rows, and the block names none: ':explain' "
            "answers 501",
            "storageUri: a folder with its fitted state, or a file of rows",
        )
    if "model" in method.needs and model is None:
        return (
            f"{method.name} looks inside a saved model, and the predictor is none: ':explain' "
            "answers 501",
            "use a predictor with a model format, or a type that only predicts",
        )
    return None


def _uri(service: Service, block: ExplainerBlock) -> str:
    uri = block.storage_uri or ""
    if not uri and block.storage is not None:
        parameters, path = block.storage.parameters, block.storage.path or ""
        kind, bucket = parameters.get("type", "s3"), parameters.get("bucket", "")
        uri = path if "://" in path else f"{kind}://{bucket}/{path}"
    if uri and "://" not in uri and not uri.startswith("/"):
        uri = str(Path(_folder(service)) / uri)
    return uri


def _folder(service: Service) -> str:
    return str(Path(service.place("spec").file).resolve().parent)


def _graph(service: Service, served: Graph, code: LibraryExplainer, options: NodeOptions) -> Graph:
    place = service.place("spec", "explainer")
    node = Node(NodeName("explainer"), "explainer", code, SIGNATURE, options, place)
    inputs = tuple(
        Input(id=StepId(port.name), port=port.name, type=port.type, place=place)
        for port in SIGNATURE.inputs
    )
    explain = Explain(
        id=StepId("explanation"),
        node=node.name,
        args=tuple((one.port, one.id) for one in inputs),
        graph=served.name,
        place=place,
        type=SIGNATURE.outputs[0].type,
    )
    return Graph(
        name=GraphName(f"{served.name}/explainer"),
        nodes={node.name: node},
        steps=(*inputs, explain),
        outputs=(("output", explain.id),),
        signature=SIGNATURE,
        model_name=served.model_name,
        settings={"kserve": True},
        place=place,
    )
