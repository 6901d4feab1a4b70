"""Two models that speak OpenAI's API, and a graph that does not."""

from __future__ import annotations

import time

from umbel import InvalidInput, inference_graph, predictor, transformer

PAUSE_S = 0.06


class Talking:
    suffix = ""

    def predict(self, x: str) -> str:
        return x

    def create_completion(self, request):
        if request.prompt == "refused":
            raise InvalidInput("no such word")
        if not request.stream:
            return {"text": request.prompt + self.suffix}
        return self.said(request.prompt)

    def said(self, text):
        for word in text.split():
            yield {"text": word + self.suffix}
            time.sleep(PAUSE_S)


@predictor
class Loud(Talking):
    suffix = "!"


@predictor(fuse="never")
class Unsure(Talking):
    suffix = "?"


@transformer
def upper(x: str) -> str:
    return x.upper()


@inference_graph
def loud(x):
    return Loud()(x)


@inference_graph
def unsure(x):
    return Unsure()(x)


@inference_graph
def silent(x):
    return upper(x)
