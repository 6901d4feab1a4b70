"""Schemas of what the operator reports: the fields of KServe's status."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
BOOLEAN: Schema = {"type": "boolean"}
INT64: Schema = {"type": "integer", "format": "int64"}
INT32: Schema = {"type": "integer", "format": "int32"}
TIME: Schema = {"type": "string", "format": "date-time"}

MODEL_STATES = ("", "Pending", "Standby", "Loading", "Loaded", "FailedToLoad")
TRANSITIONS = ("", "UpToDate", "InProgress", "BlockedByFailedLoad", "InvalidSpec")
FAILURES = (
    "ModelLoadFailed",
    "RuntimeUnhealthy",
    "RuntimeDisabled",
    "NoSupportingRuntime",
    "RuntimeNotRecognized",
    "InvalidPredictorSpec",
)


def an_object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object with these properties."""
    schema: Schema = {"type": "object", "properties": properties}
    return {**schema, "required": sorted(required)} if required else schema


def a_list(items: Schema) -> Schema:
    """A list that an apply replaces as a whole."""
    return {"type": "array", "items": items, "x-kubernetes-list-type": "atomic"}


def a_map(values: Schema) -> Schema:
    """A mapping of names to ``values``."""
    return {"type": "object", "additionalProperties": values}


def a_choice(choices: tuple[str, ...]) -> Schema:
    """One of some words."""
    return {"type": "string", "enum": list(choices)}


CONDITION = an_object(
    ("status", "type"),
    type=STRING,
    status=STRING,
    reason=STRING,
    message=STRING,
    severity=STRING,
    lastTransitionTime=STRING,
)
ADDRESS = an_object(url=STRING, name=STRING, CACerts=STRING, audience=STRING)
TRAFFIC = an_object(
    configurationName=STRING,
    latestRevision=BOOLEAN,
    percent=INT64,
    revisionName=STRING,
    tag=STRING,
    url=STRING,
)
COMPONENT = an_object(
    address=ADDRESS,
    url=STRING,
    restUrl=STRING,
    grpcUrl=STRING,
    latestCreatedRevision=STRING,
    latestReadyRevision=STRING,
    latestRolledoutRevision=STRING,
    previousRolledoutRevision=STRING,
    traffic=a_list(TRAFFIC),
)
MODEL_STATUS = an_object(
    ("transitionStatus",),
    copies=an_object(
        ("failedCopies",), failedCopies={**INTEGER, "default": 0}, totalCopies=INTEGER
    ),
    lastFailureInfo=an_object(
        exitCode=INT32,
        location=STRING,
        message=STRING,
        modelRevisionName=STRING,
        reason=a_choice(FAILURES),
        time=TIME,
    ),
    states=an_object(
        ("activeModelState",),
        activeModelState={**a_choice(MODEL_STATES), "default": "Pending"},
        targetModelState={**a_choice(MODEL_STATES), "default": ""},
    ),
    transitionStatus={**a_choice(TRANSITIONS), "default": "UpToDate"},
)
CANARY = an_object(
    ("name", "ready", "trafficPercent"),
    name=STRING,
    ready=BOOLEAN,
    trafficPercent=INT32,
    modelStatus=MODEL_STATUS,
)

_COMMON: dict[str, Schema] = {
    "annotations": a_map(STRING),
    "conditions": a_list(CONDITION),
    "observedGeneration": INT64,
    "url": STRING,
}

STATUS: dict[str, Schema] = {
    "InferenceService": {
        **an_object(
            (),
            **_COMMON,
            address=ADDRESS,
            canaryStatuses=a_list(CANARY),
            clusterServingRuntimeName=STRING,
            components=a_map(COMPONENT),
            deploymentMode=STRING,
            modelStatus=MODEL_STATUS,
            servingRuntimeName=STRING,
        ),
        "x-kubernetes-preserve-unknown-fields": True,
    },
    "InferenceGraph": an_object((), **_COMMON, deploymentMode=STRING),
    "TrainedModel": an_object((), **_COMMON, address=ADDRESS),
    "ServingRuntime": {"type": "object"},
    "ClusterServingRuntime": {"type": "object"},
}
"""Kind → the schema of ``status``."""
