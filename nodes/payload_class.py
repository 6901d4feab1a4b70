"""Classes in KServe's model shape: one payload through preprocess, predict and postprocess.

The class is named by ``module:Class`` in a YAML file and need not inherit from anything. A
step that the class does not have hands the payload on.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from umbel.graph.errors import DeclarationError, NotImplementedHere
from umbel.graph.implementations import PythonClass
from umbel.nodes.closing import KSERVE, closer
from umbel.nodes.openai_methods import offered
from umbel.nodes.request_context import current_request

_instances: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
_users: dict[str, int] = {}
"""Nodes that call an object, by its key: of those that can be closed."""

_OPTIONAL = ("preprocess", "postprocess")


def payload_method(code: PythonClass) -> Callable[..., Any]:
    """The method as a function of ``payload``."""
    instance = payload_instance(code)
    method = getattr(instance, code.method, None)
    if method is None:
        if code.method not in _OPTIONAL:
            if offered(instance):  # a model of OpenAI's API only
                return _not_offered
            raise DeclarationError(f"{code.reference} has no method {code.method!r}")
        return _identity
    takes_headers = "headers" in inspect.signature(method).parameters

    def call(payload: Any) -> Any:
        try:
            if takes_headers:
                return method(payload, headers=dict(current_request().headers))
            return method(payload)
        except NotImplementedError as error:
            raise NotImplementedHere(str(error) or f"{code.method} is not implemented") from error

    return call


def payload_close(code: PythonClass) -> Callable[[], Any] | None:
    """What one node calls when it ends. The object is closed with the last of its nodes, by its
    ``close``, ``aclose`` or KServe's ``stop``; ``None`` where it has none of them."""
    instance, key = payload_instance(code), _key(code)
    close = closer(instance, KSERVE)
    if close is None:
        return None
    ending = close
    _users[key] = _users.get(key, 0) + 1

    def left() -> Any:
        _users[key] -= 1
        if _users[key]:
            return None
        del _users[key]
        _instances.pop(key, None)
        return ending()

    return left


def _key(code: PythonClass) -> str:
    return f"{code.reference} {code.folder} {sorted(code.kwargs.items())!r}"


def payload_instance(code: PythonClass) -> Any:
    """The object of the class, built if no node has yet."""
    key = _key(code)
    instance = _instances.get(key)
    if instance is None:
        instance = _build(code)
        _instances[key] = instance
    return instance


def _not_offered(payload: Any) -> Any:
    raise NotImplementedHere("this model answers at /openai/v1 only")


def _identity(payload: Any) -> Any:
    return payload


def _build(code: PythonClass) -> Any:
    module_name, _, class_name = code.reference.partition(":")
    if code.folder and code.folder not in sys.path:
        sys.path.append(code.folder)
    found: Any = _module(module_name, code)
    for part in class_name.split("."):
        found = getattr(found, part, None)
    if not inspect.isclass(found):
        raise DeclarationError(f"{code.reference}: {module_name} has no class {class_name!r}")
    instance = found(**_accepted(found, code.kwargs))
    load = getattr(instance, "load", None)
    if callable(load):
        load()
    return instance


def _module(name: str, code: PythonClass) -> Any:
    if not name:
        raise DeclarationError(
            "a container's image is not run: name its Python class, the annotation "
            "umbel.dev/transformer-class (predictor-class, explainer-class): 'module:Class'"
        )
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if missing == name or name.startswith(f"{missing}."):
            where = f" in {code.folder}" if code.folder else ""
            raise DeclarationError(
                f"{code.reference}: there is no module {missing!r}{where} or among the installed "
                "packages"
            ) from error
        raise DeclarationError(
            f"{code.reference} imports {missing!r}, which is not installed where umbel runs: "
            f"pip install {missing}"
        ) from error
    except SystemExit as error:  # a file that reads its command line while it is imported
        raise DeclarationError(
            f"{code.reference}: its module ends the process while it is imported ({error}); put "
            'what reads the command line under `if __name__ == "__main__":`'
        ) from error


def _accepted(cls: type, kwargs: Mapping[str, object]) -> dict[str, object]:
    """The arguments that the constructor names; all of them if it takes ``**kwargs``."""
    parameters = inspect.signature(cls).parameters.values()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return dict(kwargs)
    names = {p.name for p in parameters}
    return {name: value for name, value in kwargs.items() if name in names}
