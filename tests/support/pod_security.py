"""The Pod Security Standards' level ``restricted``, field by field, as Kubernetes publishes them:
https://kubernetes.io/docs/concepts/security/pod-security-standards/. It includes ``baseline``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
PROFILES = {"RuntimeDefault", "Localhost"}
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def violations(template: dict[str, Any]) -> list[str]:
    """What a pod template (``metadata``, ``spec``) has that the level forbids, by its place."""
    spec = template["spec"]
    pod = spec.get("securityContext") or {}
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    found += [
        f"volumes[{one['name']}]"
        for one in spec.get("volumes") or ()
        if not set(one) - {"name"} <= VOLUMES
    ]
    found += [
        f"sysctls[{one['name']}]" for one in pod.get("sysctls") or () if one["name"] not in SYSCTLS
    ]
    notes = (template.get("metadata") or {}).get("annotations") or {}
    found += [
        f"annotations[{name}]"
        for name, value in notes.items()
        if name.startswith("container.apparmor.security.beta.kubernetes.io/")
        and value != "runtime/default"
        and not value.startswith("localhost/")
    ]
    found += _either(pod, "pod")
    for kind in CONTAINERS:
        for container in spec.get(kind) or ():
            found += [f"{kind}[{container['name']}].{one}" for one in _container(container, pod)]
    return found


def _container(container: dict[str, Any], pod: dict[str, Any]) -> Iterator[str]:
    own = container.get("securityContext") or {}
    yield from _either(own, "")
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()):
        yield "capabilities.drop"
    if set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
        yield "capabilities.add"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if not own.get("runAsNonRoot", pod.get("runAsNonRoot")):
        yield "runAsNonRoot"
    profile = own.get("seccompProfile") or pod.get("seccompProfile") or {}
    if profile.get("type") not in PROFILES:
        yield "seccompProfile"
    if any(port.get("hostPort") for port in container.get("ports") or ()):
        yield "hostPort"
    handlers = [container.get(f"{one}Probe") for one in ("liveness", "readiness", "startup")]
    handlers += list((container.get("lifecycle") or {}).values())
    for handler in filter(None, handlers):
        for kind in ("httpGet", "tcpSocket"):
            if (handler.get(kind) or {}).get("host"):
                yield f"{kind}.host"


def _either(context: dict[str, Any], where: str) -> Iterator[str]:
    """What a pod and a container may both say."""
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{where}windowsOptions.hostProcess"
    if (context.get("appArmorProfile") or {"type": "RuntimeDefault"})["type"] not in PROFILES:
        yield f"{where}appArmorProfile"
    linux = context.get("seLinuxOptions") or {}
    if linux.get("type", "") not in SELINUX or linux.get("user") or linux.get("role"):
        yield f"{where}seLinuxOptions"
    if context.get("runAsUser") == 0:
        yield f"{where}runAsUser"
    if context.get("runAsNonRoot") is False:
        yield f"{where}runAsNonRoot"
    if context.get("seccompProfile", {"type": "RuntimeDefault"}).get("type") not in PROFILES:
        yield f"{where}seccompProfile"
