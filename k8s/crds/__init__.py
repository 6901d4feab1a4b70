"""CustomResourceDefinitions, compatible with KServe's own."""

from __future__ import annotations

from umbel.k8s.crds.definitions import KINDS, ConversionWebhook, Kind, crds

__all__ = ["KINDS", "ConversionWebhook", "Kind", "crds"]
