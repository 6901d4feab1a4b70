"""Models in KServe's shape that tell what they got, or fail as they are told."""

from __future__ import annotations

import json
from typing import Any

from umbel.graph.errors import UpstreamAnswered


class Echo:
    """``predict`` answers with the payload and the headers it was called with."""

    def __init__(self, tag: str = "echo") -> None:
        self.tag = tag

    def predict(self, payload: Any, headers: dict[str, str]) -> Any:
        told = ("x-any", "x-other", "authorization", "x-request-id", "traceparent", "tracestate")
        seen = {name: headers[name] for name in told if name in headers}
        return {"predictions": [self.tag], "payload": _readable(payload), "headers": seen}


class Replies:
    """``predict`` answers with a fixed JSON value."""

    def __init__(self, reply: str) -> None:
        self.reply = json.loads(reply)

    def predict(self, payload: Any) -> Any:
        return self.reply


class Fails:
    """``predict`` is a service that answers with an error."""

    def __init__(self, status: str, reply: str) -> None:
        self.status, self.reply = int(status), reply.encode()

    def predict(self, payload: Any) -> Any:
        raise UpstreamAnswered(self.status, self.reply)


class Breaks:
    """``predict`` raises."""

    def predict(self, payload: Any) -> Any:
        raise RuntimeError("a secret of the model")


class Doubles:
    """The predictor behind ``Shifts``."""

    def predict(self, payload: Any) -> Any:
        return {"predictions": [2 * value for value in payload["instances"]]}


class Shifts:
    """A transformer: adds 1 before and 100 after."""

    def preprocess(self, payload: Any) -> Any:
        return {"instances": [value + 1 for value in payload["instances"]]}

    def postprocess(self, payload: Any) -> Any:
        return {"predictions": [value + 100 for value in payload["predictions"]]}


class Explains:
    """An explainer."""

    def explain(self, payload: Any) -> Any:
        return {"predictions": [], "explanations": {"of": payload["instances"]}}


def _readable(payload: Any) -> Any:
    return payload.hex() if isinstance(payload, bytes) else payload


class Flowers:
    """A transformer behind which a model file stands: numbers become names."""

    def postprocess(self, payload: Any) -> Any:
        names = ("setosa", "versicolor", "virginica")
        return {"predictions": [names[number] for number in payload["predictions"]]}
