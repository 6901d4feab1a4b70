"""Methods of KServe's client for what umbel does not serve: each says what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from umbel.graph.errors import NotImplementedHere


def _absent(name: str) -> Callable[..., NoReturn]:
    def method(*_: Any, **__: Any) -> NoReturn:
        raise NotImplementedHere(
            f"{name}: umbel has no LocalModelCache: a machine keeps each model that it has loaded, "
            "by the digest of its files\n    fix: leave the cache out"
        )

    method.__name__ = name
    method.__doc__ = "Not served by umbel. Raises ``NotImplementedHere``."
    return method


class AbsentMethods:
    """KServe's local model caches."""

    create_local_model_node_group = staticmethod(_absent("create_local_model_node_group"))
    get_local_model_node_group = staticmethod(_absent("get_local_model_node_group"))
    delete_local_model_node_group = staticmethod(_absent("delete_local_model_node_group"))
    create_local_model_cache = staticmethod(_absent("create_local_model_cache"))
    get_local_model_cache = staticmethod(_absent("get_local_model_cache"))
    delete_local_model_cache = staticmethod(_absent("delete_local_model_cache"))
    is_local_model_cache_ready = staticmethod(_absent("is_local_model_cache_ready"))
    wait_local_model_cache_ready = staticmethod(_absent("wait_local_model_cache_ready"))
    create_local_model_namespace_cache = staticmethod(_absent("create_local_model_namespace_cache"))
    get_local_model_namespace_cache = staticmethod(_absent("get_local_model_namespace_cache"))
    delete_local_model_namespace_cache = staticmethod(_absent("delete_local_model_namespace_cache"))
    is_local_model_namespace_cache_ready = staticmethod(
        _absent("is_local_model_namespace_cache_ready")
    )
    wait_local_model_namespace_cache_ready = staticmethod(
        _absent("wait_local_model_namespace_cache_ready")
    )
