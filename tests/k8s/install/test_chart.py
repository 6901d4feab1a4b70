"""The chart installs what the plain manifests do: its templates, read as Helm reads them, and
a real Helm where ``UMBEL_HELM`` names one (or ``make kube`` got it)."""

from __future__ import annotations

import functools
import importlib.metadata
import json
from typing import Any

import pytest
import yaml

from chart_choices import CHOICES, NAMESPACE, keyed, wanted
from helm import Helm, HelmFailed
from helm_template import rendered
from kube_installation import LOADER
from umbel.k8s.crds import crds
from umbel.k8s.install import InstallOptions, chart
from umbel.k8s.install.template_merge import choices, merged


@functools.cache
def files() -> dict[str, str]:
    return chart(importlib.metadata.version("umbel"))


@pytest.mark.parametrize(("values", "options"), CHOICES.values(), ids=CHOICES)
def test_the_templates_say_what_the_manifests_do(
    values: dict[str, Any], options: InstallOptions
) -> None:
    known = yaml.safe_load(files()["values.yaml"])
    assert set(values) <= set(known)
    texts = [
        rendered(text, {**known, **values}, NAMESPACE)
        for path, text in files().items()
        if path.startswith("templates/") and path.endswith(".yaml")
    ]
    made = [one for text in texts for one in yaml.safe_load_all(text) if one is not None]
    assert keyed(made) == wanted(options)


def test_every_form_can_be_told_from_the_others() -> None:
    conditions = {"a": ".Values.a", "b": '(eq .Values.b "x")', "c": ".Values.c"}

    def form(choice: frozenset[str]) -> dict[str, str]:
        lines = ["name: it", *(f"{one}: 1" for one in sorted(choice) if one != "c")]
        many = {"first": "\n".join([*lines, "end: 1", ""])}
        return many if "c" in choice else {**many, "second": "only: without c\n"}

    template = merged(form, conditions)
    assert template.count("name: it") == 1
    for choice in choices(conditions):
        values = {"a": "a" in choice, "b": "x" if "b" in choice else "y", "c": "c" in choice}
        assert rendered(template, values, "n") == "".join(form(choice).values())


def test_forms_that_no_test_tells_apart_are_refused() -> None:
    conditions = {"a": ".Values.a", "b": ".Values.b"}
    with pytest.raises(AssertionError, match="no single test"):
        merged(lambda choice: {"x": "one\n" * (len(choice) == 1)}, conditions)


def test_the_chart_has_the_crds() -> None:
    documents = files()["crds/crds.yaml"].split("---\n")[1:]
    assert [json.loads(one) for one in documents] == crds()


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    try:
        return Helm(tmp_path_factory.mktemp("helm"))
    except FileNotFoundError as error:
        pytest.skip(str(error))


def made_by(helm: Helm, values: dict[str, Any], *words: str) -> list[Any]:
    text = helm(
        *("template", "umbel", str(helm.chart), "-n", NAMESPACE, *helm.values(values)),
        *("--kube-version", "1.33.0", *words),
    )
    return [one for one in yaml.load_all(text, Loader=LOADER) if one is not None]


def test_helm_finds_no_fault(helm: Helm) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", str(helm.chart))


@pytest.mark.parametrize(("values", "options"), CHOICES.values(), ids=CHOICES)
def test_helm_makes_what_the_manifests_are(
    helm: Helm, values: dict[str, Any], options: InstallOptions
) -> None:
    assert keyed(made_by(helm, values)) == wanted(options)


def test_helm_installs_the_crds(helm: Helm) -> None:
    made = made_by(helm, {}, "--include-crds")
    assert [one for one in made if one["kind"] == "CustomResourceDefinition"] == crds()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"imgae": "mine"}, "imgae"),
        ({"target": "knative"}, "target"),
        ({"target": "ray"}, "dashboardUrl"),
        ({"replicas": "many"}, "replicas"),
        ({"image": ""}, "image"),
    ],
    ids=["misspelt", "no such target", "Ray without an address", "not a number", "no image"],
)
def test_helm_refuses_values_that_mean_nothing(
    helm: Helm, values: dict[str, Any], told: str
) -> None:
    with pytest.raises(HelmFailed, match=told):
        made_by(helm, values)


def test_helm_refuses_a_cluster_that_is_too_old(helm: Helm) -> None:
    with pytest.raises(HelmFailed, match=r"1\.27\.0"):
        made_by(helm, {}, "--kube-version", "1.26.0")
