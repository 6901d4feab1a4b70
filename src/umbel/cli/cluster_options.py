"""Options about what is applied for a resource: ``umbel k8s render``, ``operator`` and
``install`` take the same."""

from __future__ import annotations

import argparse
from string import Formatter
from typing import TYPE_CHECKING

from umbel.graph.errors import DeclarationError

if TYPE_CHECKING:
    from umbel.k8s.manifests import RenderOptions

IMAGE = "umbel:latest"

_IN_PATHS = frozenset({"name", "namespace"})


def add_cluster_options(verb: argparse.ArgumentParser) -> None:
    """Declare them."""
    verb.add_argument("--image", default=IMAGE, help=f"of all pods (default: {IMAGE})")
    verb.add_argument(
        "--route",
        choices=("gateway", "ingress", "none"),
        default="gateway",
        help="the way in (default: gateway)",
    )
    verb.add_argument(
        "--domain",
        default="example.com",
        help="hosts are NAME-NAMESPACE.DOMAIN (default: example.com)",
    )
    verb.add_argument("--path-template", default="", help="as /serving/{namespace}/{name}")
    verb.add_argument(
        "--gateway",
        default="kserve/kserve-ingress-gateway",
        metavar="NAMESPACE/NAME",
        help="default: kserve/kserve-ingress-gateway",
    )
    verb.add_argument("--ingress-class", default="nginx", help="default: nginx")
    verb.add_argument("--tls-secret", default="", help="certificate of an Ingress")
    verb.add_argument("--no-token-auth", action="store_true", help="open Ray's own ports")
    verb.add_argument("--ray-tls", action="store_true", help="TLS between Ray's processes")
    verb.add_argument("--redis", default="", metavar="HOST:PORT", help="GCS fault tolerance")
    verb.add_argument("--redis-secret", default="", help="Secret with the key 'password'")
    verb.add_argument("--gateway-class", default="", help="upgrade clusters in steps with it")
    verb.add_argument("--no-policies", action="store_true", help="no NetworkPolicy, no budget")
    verb.add_argument("--no-monitor", action="store_true", help="no ServiceMonitor")


def render_options(arguments: argparse.Namespace, namespace: str = "") -> RenderOptions:
    """What the command line asks for. ``namespace``: of resources that name none. Raises
    ``DeclarationError``."""
    from umbel.k8s.manifests import ClusterOptions, RenderOptions, RouteOptions

    if arguments.redis_secret and not arguments.redis:
        raise DeclarationError("--redis-secret is for a Redis: add --redis HOST:PORT")
    cluster = ClusterOptions(
        image=arguments.image,
        token_auth=not arguments.no_token_auth,
        tls=arguments.ray_tls,
        redis_address=arguments.redis,
        redis_secret=arguments.redis_secret,
        gateway_class=arguments.gateway_class,
    )
    route = RouteOptions(
        kind=arguments.route,
        domain=arguments.domain,
        path_template=_path_template(arguments.path_template),
        gateway=arguments.gateway,
        ingress_class=arguments.ingress_class,
        tls_secret=arguments.tls_secret,
    )
    return RenderOptions(
        namespace=namespace,
        cluster=cluster,
        route=route,
        policies=not arguments.no_policies,
        monitor=not arguments.no_monitor,
    )


def _path_template(given: str) -> str:
    try:
        names = {name for _, name, _, _ in Formatter().parse(given) if name is not None}
    except ValueError:
        names = {""}
    if given and (not given.startswith("/") or "name" not in names or names - _IN_PATHS):
        raise DeclarationError(
            f"--path-template {given!r}: expected a path with {{name}}, and {{namespace}} where "
            "several are served: --path-template '/serving/{namespace}/{name}'"
        )
    return given
