"""Reads and checks YAML for the tests of the KServe resources."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from umbel.graph.findings import Finding
from umbel.k8s.resources import CODES, Loaded, load, validate


@dataclass(frozen=True)
class Checked:
    """What was loaded and every finding about it."""

    loaded: Loaded
    findings: tuple[Finding, ...]

    def codes(self, *severities: str) -> list[str]:
        """The findings' codes in order, without the ``UMB-`` and of these severities only."""
        wanted = severities or ("error", "warning")
        return [one.code[4:] for one in self.findings if one.severity in wanted]

    def only(self, code: str) -> Finding:
        """The one finding with that code."""
        (found,) = (one for one in self.findings if one.code == f"UMB-{code}")
        return found


@pytest.fixture()
def check() -> Callable[..., Checked]:
    def run(*texts: str, **options: Any) -> Checked:
        files = [(f"f{number}.yaml", textwrap.dedent(text)) for number, text in enumerate(texts)]
        loaded = load(files)
        findings = (*loaded.findings, *validate(loaded, **options))
        for one in findings:
            assert one.code in CODES, one
            assert one.message, one
            assert one.fix, one
            assert one.place.line > 0, one
        return Checked(loaded, findings)

    return run


@pytest.fixture()
def service(check: Callable[..., Checked]) -> Callable[..., Checked]:
    """Checks one InferenceService, given its spec and annotations."""

    def run(spec: str, *, name: str = "iris", **annotations: str) -> Checked:
        lines = [f'    {key}: "{value}"' for key, value in annotations.items()]
        text = "\n".join(
            [
                "apiVersion: serving.kserve.io/v1beta1",
                "kind: InferenceService",
                "metadata:",
                f'  name: "{name}"',
                *(["  annotations:"] if lines else []),
                *lines,
                "spec:",
                textwrap.indent(textwrap.dedent(spec).strip("\n"), "  "),
            ]
        )
        return check(text)

    return run


@pytest.fixture()
def graph(check: Callable[..., Checked]) -> Callable[..., Checked]:
    """Checks one InferenceGraph, given its nodes."""

    def run(nodes: str, *, name: str = "triage", **options: Any) -> Checked:
        text = "\n".join(
            [
                "apiVersion: serving.kserve.io/v1alpha1",
                "kind: InferenceGraph",
                "metadata:",
                f'  name: "{name}"',
                "spec:",
                "  nodes:",
                textwrap.indent(textwrap.dedent(nodes).strip("\n"), "    "),
            ]
        )
        return check(text, **options)

    return run
