"""Objects as YAML documents: the same bytes for the same objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml


def as_yaml(objects: Iterable[Mapping[str, Any]]) -> str:
    """One document an object, keys in their order."""
    return "".join(
        "---\n" + yaml.dump(dict(one), Dumper=_Dumper, sort_keys=False, width=1_000_000)
        for one in objects
    )


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
