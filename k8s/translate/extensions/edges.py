"""``umbel.dev/edges``: the protocol a step is spoken to in, and which output feeds which input."""

from __future__ import annotations

from urllib.parse import urlsplit

from umbel.graph.message_steps import Feed
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.field_check import closest
from umbel.k8s.translate.extensions.annotation import Annotation
from umbel.k8s.translate.extensions.extension import Edge, Extensions, Protocol
from umbel.k8s.translate.extensions.step_names import Spot, step_of

PROTOCOLS: tuple[Protocol, ...] = ("v1", "v2", "grpc-v2")

_FIX = 'write {protocol: v2, inputs: {INPUT0: "output-0"}}'


def read_edges(annotation: Annotation, extensions: Extensions) -> None:
    """Settings by step."""
    given = annotation.mapping((), annotation.data, "settings by step", f"{_FIX} below the step")
    for name, value in given.items():
        settings = annotation.mapping((name,), value, "the settings of a step", _FIX)
        spot = step_of(annotation, (name,), name)
        if not isinstance(value, dict):
            continue
        annotation.known_keys((name,), settings, ("protocol", "inputs"))
        protocol = _protocol(annotation, name, settings)
        feeds = _feeds(annotation, (name, "inputs"), settings.get("inputs", {}))
        if spot is None or protocol is None:
            continue
        if _fits(annotation, name, spot, protocol):
            extensions.of(*spot).edge = Edge(protocol, feeds)


def _protocol(annotation: Annotation, name: str, settings: dict[str, object]) -> Protocol | None:
    asked = settings.get("protocol", "v2")
    for protocol in PROTOCOLS:
        if asked == protocol:
            return protocol
    guess = closest(str(asked), PROTOCOLS) or "v2"
    annotation.wrong(
        (name, "protocol"), f"one of {', '.join(PROTOCOLS)}", asked, f"write protocol: {guess}"
    )
    return None


def _feeds(annotation: Annotation, path: Path, value: object) -> tuple[Feed, ...]:
    if isinstance(value, list):
        value = {name if isinstance(name, str) else "": n for n, name in enumerate(value)}
    given = annotation.mapping(path, value, "outputs by input", _FIX)
    feeds: list[Feed] = []
    for name, source in given.items():
        good = source is None or isinstance(source, str) or (type(source) is int and source >= 0)
        if not good or not name:
            annotation.wrong((*path, name), "the name or the number of an output", source, _FIX)
            continue
        feeds.append(Feed(name, source or None if isinstance(source, str) else source))
    return tuple(feeds)


def _fits(annotation: Annotation, name: str, spot: Spot, protocol: Protocol) -> bool:
    """Whether the step's target can be spoken to like this."""
    if protocol != "grpc-v2":
        return True
    step = annotation.graph.spec.nodes[spot[0]].steps[spot[1]]
    if is_grpc_url(step.service_url):
        return True
    given = step.service_url or step.service_name or step.node_name
    annotation.find(
        "UMB-K608",
        (name, "protocol"),
        f"protocol grpc-v2 needs a gRPC address, but {name!r} calls {given!r}",
        "write 'serviceUrl: grpc://host:port/model' in the step, or protocol: v2 here",
    )
    return False


def is_grpc_url(url: str) -> bool:
    """True for ``grpc://host:port/model``, and ``grpcs`` with TLS."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    model = parts.path.strip("/")
    named = bool(parts.hostname and port and model and "/" not in model)
    return named and parts.scheme in ("grpc", "grpcs")
