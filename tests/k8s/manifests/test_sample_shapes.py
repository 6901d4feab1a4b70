"""Whatever shape KServe's own samples have, it renders to what KubeRay takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from neighbours import neighbour
from umbel.graph.findings import has_errors
from umbel.k8s.manifests import RenderOptions, render_texts

SHAPES = neighbour(Path(__file__).parents[1] / "resources" / "test_sample_shapes.py").SHAPES
VALID = neighbour(Path(__file__).with_name("test_rendering.py")).valid


TOLD = {
    "keda with more than KServe has": {"UMB-K015", "UMB-K710"},  # no field of KServe's; no KEDA
    "modelmesh": {"UMB-K225"},
    "old shape": {"UMB-K014", "UMB-K015"},
    "pinned roll-out": {"UMB-K711"},
}
"""The samples that do not render without a word, and which; the others must."""


@pytest.mark.parametrize("name", SHAPES)
def test_a_sample_renders(name: str) -> None:
    text, _ = SHAPES[name]
    rendered = render_texts([("f.yaml", text)], RenderOptions())
    assert not has_errors(rendered.findings), rendered.findings
    assert {one.code for one in rendered.findings} == TOLD.get(name, set()), rendered.findings
    served = "kind: InferenceService" in text or "kind: InferenceGraph" in text
    assert bool(rendered.objects) is (served and "kserve.io/stop" not in text)
    VALID(list(rendered.objects))
