"""What KubeRay refuses (``utils/validation.go``): of its rules those that a RayService of umbel's
could break."""

from __future__ import annotations

import json
import re
from typing import Any

Raw = dict[str, Any]

LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LONGEST_SERVICE, LONGEST_PART = 47, 63
KEY = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
UPGRADES = ("None", "NewCluster", "NewClusterWithIncrementalUpgrade")


def findings(service: Raw) -> list[str]:
    """Why KubeRay would not take it; empty where it would."""
    name, spec = service["metadata"]["name"], service["spec"]
    cluster = spec["rayClusterConfig"]
    head = cluster["headGroupSpec"]
    found = []
    if len(name) > LONGEST_SERVICE or not LABEL.fullmatch(name):
        found.append(f"name {name}: a DNS-1035 label of at most {LONGEST_SERVICE} characters")
    for group in (head, *cluster.get("workerGroupSpecs", [])):
        found += _group(group, cluster)
    if (head.get("headService") or {}).get("metadata", {}).get("name"):
        found.append("headService.metadata.name should not be set")
    upgrade = spec.get("upgradeStrategy") or {}
    if upgrade.get("type", "NewCluster") not in UPGRADES:
        found.append(f"upgradeStrategy.type {upgrade['type']}")
    if (cluster.get("authOptions") or {}).get("mode") == "token":
        version = tuple(int(p) for p in cluster.get("rayVersion", "0.0").split(".")[:2])
        if version < (2, 52):
            found.append("token authentication needs rayVersion 2.52 or later")
    return found


def _group(group: Raw, cluster: Raw) -> list[str]:
    name = group.get("groupName", "head")
    template = group["template"]["spec"]
    params = group.get("rayStartParams") or {}
    found = [] if template.get("containers") else [f"group {name} has no container"]
    own = {"num-cpus", "num-gpus", "memory", "resources"} & set(params)
    if own and group.get("resources"):
        found.append(f"group {name}: {sorted(own)} and resources are both set")
    if "labels" in params:
        found.append(f"group {name}: labels in rayStartParams")
    for key, value in (group.get("labels") or {}).items():
        if not KEY.fullmatch(key) or not VALUE.fullmatch(str(value)):
            found.append(f"group {name}: label {key}={value}")
    if "resources" in params:
        try:  # what cannot be read here costs the group its num-gpus
            json.loads(params["resources"].strip("'\"` "))
        except ValueError:
            found.append(f"group {name}: resources {params['resources']} is no JSON in quotes")
    least, most = group.get("minReplicas"), group.get("maxReplicas")
    if least is not None and most is not None and not 0 <= least <= most:
        found.append(f"group {name}: minReplicas {least}, maxReplicas {most}")
    version = (cluster.get("autoscalerOptions") or {}).get("version")
    if version == "v2" and template.get("restartPolicy", "Never") != "Never":
        found.append(f"group {name}: restartPolicy with autoscaler v2")
    return found
