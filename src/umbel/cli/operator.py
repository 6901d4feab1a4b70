"""``umbel k8s operator``: the operator, in a pod or on a laptop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from umbel.cli.cluster_options import add_cluster_options, render_options
from umbel.graph.errors import DeclarationError

if TYPE_CHECKING:
    from umbel.k8s.admission.hosting import HostingOptions
    from umbel.k8s.operator.settings import OperatorSettings


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("operator", help="serve a cluster's resources on Ray")
    verb.add_argument(
        "--target",
        choices=("kuberay", "ray"),
        default="kuberay",
        help="a RayService for each resource, or the applications of a Ray that already runs",
    )
    verb.add_argument(
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="look after this namespace only; may be given several times",
    )
    verb.add_argument("--config-namespace", default="kserve", help="of inferenceservice-config")
    _add_ray(verb)
    verb.add_argument(
        "--container-url",
        default="",
        metavar="URL",
        help="where Ray's replicas reach containers, with {name}, {namespace}, {host} and "
        "{component}; default: their Services' names in the cluster",
    )
    verb.add_argument("--name", default="umbel", help="it owns applications that carry this name")
    verb.add_argument("--leader-elect", action="store_true", help="hold a Lease before writing")
    verb.add_argument("--lease-namespace", default="umbel-system", help="where the Lease lies")
    verb.add_argument("--resync", type=float, default=30.0, help="seconds between full looks")
    verb.add_argument("--poll", type=float, default=0.5, help="seconds, while something starts")
    verb.add_argument("--linger", type=float, default=3.0, help="seconds an old revision stays")
    verb.add_argument("--liveness", default=None, metavar="URL", help="answer probes here")
    _add_webhooks(verb)
    add_cluster_options(verb.add_argument_group("what is applied (target kuberay)"))
    verb.add_argument("--verbose", action="store_true")
    verb.set_defaults(run=run)


def _add_ray(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--dashboard-url", default="http://127.0.0.1:8265", help="Ray's dashboard (target ray)"
    )
    verb.add_argument(
        "--ray-token-file",
        default="",
        help="file with Ray's token; default: RAY_AUTH_TOKEN, else Ray's own file",
    )
    verb.add_argument(
        "--serve-url",
        default="",
        help="where clients reach Serve (target ray); default: on the dashboard's host",
    )
    verb.add_argument(
        "--seal-key-file",
        default="",
        help="keys that seal credentials (target ray): see `umbel k8s seal-key`",
    )
    verb.add_argument(
        "--own-code-of",
        action="append",
        default=[],
        metavar="NAMESPACE",
        help="classes and pickles of this one only; may be given several times (target ray)",
    )
    verb.add_argument(
        "--most-replicas", type=int, default=256, help="that a component always has (target ray)"
    )
    verb.add_argument("--serve-host", default="127.0.0.1", help="Serve binds it, if none runs yet")
    verb.add_argument("--serve-port", type=int, default=8000, help="Serve's, if none runs yet")
    verb.add_argument(
        "--grpc-port",
        type=int,
        default=None,
        help="serve gRPC there, on Ray's head, for all resources (target ray)",
    )


def _add_webhooks(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--webhooks", action="store_true", help="serve the admission webhooks, too (port 9443)"
    )
    verb.add_argument("--webhook-port", type=int, default=9443)
    verb.add_argument("--webhook-host", default="", help="default: all addresses of the pod")
    verb.add_argument("--webhook-namespace", default="umbel-system", help="of their Service")


def run(arguments: argparse.Namespace) -> int:
    """Until SIGTERM or Ctrl-C."""
    level = logging.DEBUG if arguments.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("kopf", "aiohttp", "asyncio"):
        logging.getLogger(name).setLevel(logging.DEBUG if arguments.verbose else logging.WARNING)
    try:
        from umbel.k8s.operator import shell
    except ImportError as error:
        raise DeclarationError(f"this needs kopf ({error}): pip install 'umbel[k8s]'") from error
    from umbel.nodes.storage.sealed_values import SealKeys

    if arguments.seal_key_file:
        SealKeys.read(arguments.seal_key_file)

    asyncio.run(
        shell.run(
            _settings(arguments),
            ray_token=os.environ.get("RAY_AUTH_TOKEN", ""),
            ray_token_file=arguments.ray_token_file or _rays_own_file(),
            liveness=arguments.liveness,
            options=render_options(arguments),
            webhooks=_webhooks(arguments),
        )
    )
    return 0


def _settings(arguments: argparse.Namespace) -> OperatorSettings:
    from umbel.k8s.operator.settings import OperatorSettings

    cluster = render_options(arguments).cluster
    return OperatorSettings(
        container_url=arguments.container_url,
        image=cluster.image,
        image_pull_policy=cluster.image_pull_policy,
        target=arguments.target,
        namespaces=tuple(arguments.namespace),
        config_namespace=arguments.config_namespace,
        dashboard_url=arguments.dashboard_url,
        serve_url=arguments.serve_url or _beside(arguments.dashboard_url, arguments.serve_port),
        serve_host=arguments.serve_host,
        serve_port=arguments.serve_port,
        grpc_port=arguments.grpc_port,
        seal_key_file=arguments.seal_key_file,
        own_code_of=tuple(arguments.own_code_of),
        most_replicas=arguments.most_replicas,
        name=arguments.name,
        linger_s=arguments.linger,
        resync_s=arguments.resync,
        poll_s=arguments.poll,
        leader_elect=arguments.leader_elect,
        lease_namespace=arguments.lease_namespace,
    )


def _rays_own_file() -> str:
    """Where Ray's tools look for the token after RAY_AUTH_TOKEN; empty where none is."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return ""
    usual = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    return str(usual) if usual.is_file() else ""


def _beside(dashboard: str, port: int) -> str:
    """Serve's proxy on the dashboard's host."""
    host = urlsplit(dashboard).hostname
    if not host:
        raise DeclarationError(f"--dashboard-url {dashboard}: expected http://HOST:PORT")
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _webhooks(arguments: argparse.Namespace) -> HostingOptions | None:
    if not arguments.webhooks:
        return None
    from umbel.k8s.admission.hosting import HostingOptions

    return HostingOptions(
        namespace=arguments.webhook_namespace,
        port=arguments.webhook_port,
        watch=tuple(arguments.namespace),
        **({"host": arguments.webhook_host} if arguments.webhook_host else {}),
    )
