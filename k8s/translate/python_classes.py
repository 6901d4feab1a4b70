"""Which Python class a custom container means, and what its constructor gets."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from umbel.k8s.resources.container import Container
from umbel.k8s.translate.names import Service

FEAST = "umbel.transformers.feast_payload:FeastTransformer"
"""What a container with KServe's Feast arguments means: umbel runs no images."""

_KSERVES_OWN: dict[str, object] = {"protocol": "v1", "predictor_protocol": "v1"}
"""What KServe's model server gives a class whose command line does not say otherwise, with the
host of the predictor. umbel calls the predictor itself."""

_SERVERS = frozenset(
    ("bentoml", "daphne", "granian", "gunicorn", "hypercorn", "uvicorn", "waitress-serve")
)
"""Commands that serve an object of a module, ``uvicorn app:app``: no class of a model."""

_CLASS = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")


def class_reference(service: Service, component: str, container: Container) -> str:
    """``module:Class`` from the annotation ``umbel.dev/<component>-class``, else the first
    word of the command line that has this form; empty if there is none."""
    asked = service.annotations.get(f"umbel.dev/{component}-class")
    if asked:
        return str(asked)
    words = [*container.command, *container.args]
    if any(word.rpartition("/")[2] in _SERVERS for word in words):
        return ""
    if component == "transformer" and _is_feast(words):
        return next((word for word in _before_options(words) if _CLASS.match(word)), FEAST)
    return next((word for word in words if _CLASS.match(word)), "")


def _is_feast(words: Sequence[str]) -> bool:
    return any(word.partition("=")[0] in ("--feast_serving_url", "--feast_repo") for word in words)


def _before_options(words: Sequence[str]) -> Iterator[str]:
    """A feature's reference, ``view:feature``, looks like a class."""
    return itertools.takewhile(lambda word: not word.startswith("--"), words)


def constructor_arguments(container: Container, model_name: str) -> dict[str, object]:
    """The ``--name value`` arguments of the command line, and KServe's own. An argument with
    several values, as ``--feature_refs a:x a:y``, is a list of them."""
    found: dict[str, object] = {"name": model_name, "model_name": model_name, **_KSERVES_OWN}
    found["predictor_host"] = f"{model_name}-predictor"
    words = [*container.command, *container.args]
    for index, word in enumerate(words):
        if not word.startswith("--"):
            continue
        key, equals, value = word[2:].partition("=")
        after = words[index + 1 :]
        values = list(itertools.takewhile(lambda word: not word.startswith("--"), after))
        if equals or not values:
            values = [value]
        found[key.replace("-", "_")] = values[0] if len(values) == 1 else values
    return found
