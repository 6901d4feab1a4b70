"""Where a predictor's model lies, and what its annotations allow of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from umbel.k8s.resources.predictor import Model, Predictor
from umbel.k8s.translate.names import Service
from umbel.nodes.model_formats import FORMATS

ALLOW_PICKLE = "umbel.dev/allow-pickle"
TRUSTED_TYPES = "umbel.dev/trusted-types"
"""Types in a skops file that the user trusts, separated by commas or spaces."""

MODEL_DIGEST = "umbel.dev/model-sha256"


def model_location(predictor: Predictor, model: Model, folder: str) -> str:
    """The model's URI or path, empty where the block names none. ``folder``: where relative
    paths start."""
    uri = model.storage_uri or (predictor.storage_uris[0].uri if predictor.storage_uris else "")
    if not uri and model.storage is not None:
        parameters, path = model.storage.parameters, model.storage.path or ""
        kind, bucket = parameters.get("type", "s3"), parameters.get("bucket", "")
        uri = path if "://" in path else f"{kind}://{bucket}/{path}"
    if uri and "://" not in uri and not uri.startswith("/"):
        uri = str(Path(folder) / uri)
    return uri


def model_settings(service: Service, kind: str, model: Model) -> dict[str, object]:
    """The options of a model of the format ``kind``."""
    settings = allowed_settings(kind, service.annotations)
    if kind == "sklearn" and (model.env_value("PREDICT_PROBA") or "").lower() == "true":
        settings["method"] = "predict_proba"
    return settings


def allowed_settings(kind: str, annotations: Mapping[str, str]) -> dict[str, object]:
    """What annotations allow of a model's file. They stand on a whole service: a format whose
    files hold no code is not told that they may."""
    settings: dict[str, object] = {}
    known = FORMATS.get(kind)
    holds_code = known is None or known.holds_code
    if holds_code and str(annotations.get(ALLOW_PICKLE, "")).lower() == "true":
        settings["allow_pickle"] = True
    if annotations.get(MODEL_DIGEST):
        settings["sha256"] = str(annotations[MODEL_DIGEST])
    if annotations.get(TRUSTED_TYPES):
        settings["trusted"] = str(annotations[TRUSTED_TYPES]).replace(",", " ").split()
    return settings
