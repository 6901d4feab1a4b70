"""Which Python class a custom container means, and what its constructor gets."""

from __future__ import annotations

import re

from umbel.k8s.resources.container import Container
from umbel.k8s.translate.names import Service

_CLASS = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")


def class_reference(service: Service, component: str, container: Container) -> str:
    """``module:Class`` from the annotation ``umbel.dev/<component>-class``, else the first
    word of the command line that has this form; empty if there is none."""
    asked = service.annotations.get(f"umbel.dev/{component}-class")
    if asked:
        return str(asked)
    words = [*container.command, *container.args]
    return next((word for word in words if _CLASS.match(word)), "")


def constructor_arguments(container: Container, model_name: str) -> dict[str, object]:
    """The ``--name value`` arguments of the command line, and KServe's own."""
    found: dict[str, object] = {"name": model_name, "model_name": model_name}
    words = [*container.command, *container.args]
    for index, word in enumerate(words):
        if not word.startswith("--"):
            continue
        key, equals, value = word[2:].partition("=")
        if not equals and index + 1 < len(words) and not words[index + 1].startswith("--"):
            value = words[index + 1]
        found[key.replace("-", "_")] = value
    return found
