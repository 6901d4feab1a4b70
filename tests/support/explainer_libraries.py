"""Which optional explanation libraries are here. alibi is imported through umbel's one door, which
keeps the warnings of its old dependencies out."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from typing import Any

import pytest


def alibi_or_skip() -> Any:
    """``umbel.explainers.alibi_library``; skips the test module without alibi."""
    return _door("alibi", "umbel.explainers.alibi_library")


def captum_or_skip() -> Any:
    """``captum.attr``; skips the test module without Captum."""
    return _door("captum", "captum.attr")


def art_or_skip() -> Any:
    """``umbel.explainers.art_attack``; skips the test module without ART."""
    return _door("art", "umbel.explainers.art_attack")


def _door(library: str, module: str) -> Any:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed", allow_module_level=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(module)
