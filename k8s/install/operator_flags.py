"""Options of what is applied for a resource, as words for ``umbel k8s operator``: the operator
of an installation renders as ``umbel k8s render`` does with the same options."""

from __future__ import annotations

from umbel.k8s.manifests.options import RenderOptions


def operator_flags(options: RenderOptions) -> list[str]:
    """The image, always, and each option that is not the default."""
    cluster, route, usual = options.cluster, options.route, RenderOptions()
    texts = {
        "--route": (route.kind, usual.route.kind),
        "--domain": (route.domain, usual.route.domain),
        "--path-template": (route.path_template, usual.route.path_template),
        "--gateway": (route.gateway, usual.route.gateway),
        "--ingress-class": (route.ingress_class, usual.route.ingress_class),
        "--tls-secret": (route.tls_secret, usual.route.tls_secret),
        "--redis": (cluster.redis_address, usual.cluster.redis_address),
        "--redis-secret": (cluster.redis_secret, usual.cluster.redis_secret),
        "--gateway-class": (cluster.gateway_class, usual.cluster.gateway_class),
    }
    switches = {
        "--no-token-auth": not cluster.token_auth,
        "--ray-tls": cluster.tls,
        "--no-policies": not options.policies,
        "--no-monitor": not options.monitor,
    }
    return [
        f"--image={cluster.image}",
        *(f"{flag}={given}" for flag, (given, default) in texts.items() if given != default),
        *(flag for flag, given in switches.items() if given),
    ]
