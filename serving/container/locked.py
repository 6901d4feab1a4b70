"""The exact versions of the libraries that a graph needs, as they are installed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from umbel.graph.errors import DeclarationError

OWN = "umbel"
_INDEXES = "https://download.pytorch.org/whl/"


@dataclass(frozen=True)
class Locked:
    """Distribution → version, in order of the names."""

    versions: Mapping[str, str]

    def text(self) -> str:
        """A requirements file. A build of torch that PyPI does not have names its index."""
        variants = sorted(
            {version.partition("+")[2] for version in self.versions.values() if "+" in version}
        )
        lines = ["# What was installed where this was built. pip install --no-deps takes it as is."]
        lines += [f"--extra-index-url {_INDEXES}{variant}" for variant in variants]
        lines += [f"{name}=={version}" for name, version in self.versions.items()]
        return "\n".join(lines) + "\n"


def locked(own: Sequence[str], extras: Iterable[str], libraries: Iterable[str]) -> Locked:
    """``own``, which are umbel's requirements, with ``extras``, the distributions that
    ``libraries`` (dotted module names) belong to, and all that these need in turn.

    Raises DeclarationError with every one that is missing here.
    """
    requirement = _packaging()
    waiting: list[tuple[str, frozenset[str]]] = [(OWN, frozenset(extras))]
    waiting += [(name, frozenset()) for name in sorted(_distributions(libraries))]
    seen: dict[str, frozenset[str]] = {}
    versions: dict[str, str] = {}
    missing: list[str] = []
    while waiting:
        name, wanted = waiting.pop()
        key = _normal(name)
        if key in seen and wanted <= seen[key]:
            continue
        seen[key] = seen.get(key, frozenset()) | wanted
        if key == OWN:
            waiting += _requires(own, seen[key], requirement)
            continue
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        versions[key] = found.version
        waiting += _requires(found.requires or (), seen[key], requirement)
    if missing:
        listed = " ".join(sorted(set(missing)))
        raise DeclarationError(
            f"the graph needs libraries that are not installed here, so that no version is known: "
            f"pip install {listed}"
        )
    return Locked(dict(sorted(versions.items())))


def _requires(
    texts: Iterable[str], extras: frozenset[str], requirement: Any
) -> list[tuple[str, frozenset[str]]]:
    needed = []
    for text in texts:
        one = requirement(text)
        environments = [{"extra": extra} for extra in ("", *extras)]
        if one.marker is None or any(one.marker.evaluate(each) for each in environments):
            needed.append((one.name, frozenset(one.extras)))
    return needed


def _distributions(libraries: Iterable[str]) -> set[str]:
    by_module = metadata.packages_distributions()
    found: set[str] = set()
    for library in libraries:
        candidates = set(by_module.get(library.partition(".")[0], ()))
        if len(candidates) > 1:  # a namespace of several distributions, such as google
            candidates = {name for name in candidates if _holds(name, library)} or candidates
        found |= candidates
    return {name for name in found if _normal(name) != OWN}


def _holds(name: str, library: str) -> bool:
    path = library.replace(".", "/")
    files = metadata.distribution(name).files or ()
    return any(str(file).startswith((f"{path}/", f"{path}.py")) for file in files)


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _packaging() -> Any:
    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError as error:
        raise DeclarationError("umbel build needs packaging: pip install packaging") from error
    return Requirement
