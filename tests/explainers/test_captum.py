"""Captum through a graph gives what Captum gives by hand on the same PyTorch model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from explainer_libraries import captum_or_skip
from umbel import InvalidInput, explainer, predictor
from umbel.graph.errors import UmbelError

attr = captum_or_skip()
pytestmark = pytest.mark.slow

DIGITS = load_digits()
IMAGES = (DIGITS.images[:, None] / 16).astype(np.float32)


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    """A small convolutional net, trained on real digits."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(144, 10),
    )
    x, y = torch.from_numpy(IMAGES[:500]), torch.from_numpy(DIGITS.target[:500])
    steps = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(30):
        steps.zero_grad()
        torch.nn.functional.cross_entropy(module(x), y).backward()
        steps.step()
    return module.eval()


@pytest.fixture(scope="module")
def saved(net: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path: Path = tmp_path_factory.mktemp("net") / "model.pt2"
    batch = torch.export.Dim("batch")
    program = torch.export.export(net, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
    return predictor("pytorch", uri=str(path))


def by_hand(net: torch.nn.Module, method: str, x: torch.Tensor) -> np.ndarray[Any, Any]:
    target = net(x).argmax(dim=1)
    x = x.clone().requires_grad_()
    if method == "integrated-gradients":
        found = attr.IntegratedGradients(net).attribute(x, target=target)
    elif method == "saliency":
        found = attr.Saliency(net).attribute(x, target=target)
    else:
        found = attr.Occlusion(net).attribute(x, (1, 2, 2), target=target, strides=(1, 2, 2))
    values: np.ndarray[Any, Any] = found.detach().numpy()
    return values


@pytest.mark.parametrize("method", ["integrated-gradients", "saliency", "occlusion"])
def test_attributions_are_captums(net: torch.nn.Module, saved: Any, method: str) -> None:
    settings = {"sliding_window_shapes": [1, 2, 2]} if method == "occlusion" else {}
    why = explainer(f"captum-{method}", of=saved, settings=settings)
    found = why(IMAGES[:3], {"picture": "svg"})
    x = torch.from_numpy(IMAGES[:3])
    expected = by_hand(net, method, x)
    np.testing.assert_allclose(found["data"]["attributions"], expected, rtol=1e-4, atol=1e-6)
    assert found["data"]["target"] == net(x).argmax(dim=1).tolist()
    np.testing.assert_allclose(found["data"]["predictions"], net(x).detach(), rtol=1e-4, atol=1e-5)
    assert np.abs(expected).max() > 0.01
    assert "<svg" in found["picture"]["data"]


def test_a_target_of_the_callers_own(net: torch.nn.Module, saved: Any) -> None:
    why = explainer("captum-saliency", of=saved)
    found = why(IMAGES[:2], {"target": [3, 4], "abs": False})
    x = torch.from_numpy(IMAGES[:2]).requires_grad_()
    expected = attr.Saliency(net).attribute(x, target=torch.tensor([3, 4]), abs=False)
    np.testing.assert_allclose(
        found["data"]["attributions"], expected.numpy(), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"target": [1, 2, 3]}, "parameter 'target'"),
        ({"target": "cat"}, "parameter 'target'"),
        ({"target": -1}, "parameter 'target'"),
        ({"target": 99}, "parameter 'target'"),
        ({"n_steps": 0}, "n_steps"),
        ({"baselines": [1.0]}, "baselines"),
        ({"baselines": "dark"}, "baselines"),
    ],
)
def test_wrong_parameters_are_the_callers_mistake(
    saved: Any, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        explainer("captum-integrated-gradients", of=saved)(IMAGES[:1], asked)


def test_a_window_that_does_not_fit(saved: Any) -> None:
    with pytest.raises(InvalidInput, match="sliding_window_shapes"):
        explainer("captum-occlusion", of=saved)(IMAGES[:1], {"sliding_window_shapes": [1, 9, 9]})


def test_a_wrong_shape_is_the_callers_mistake(saved: Any) -> None:
    with pytest.raises(InvalidInput):
        explainer("captum-saliency", of=saved)(IMAGES[:1, :, :4])


def test_a_budget_gives_the_instances_that_were_done(saved: Any) -> None:
    why = explainer("captum-occlusion", of=saved)
    found = why(IMAGES[:10], {"budget_samples": 300})
    assert found["budget"]["partial"] is True
    assert 1 <= len(found["data"]["attributions"]) < 10
    assert len(found["data"]["predictions"]) == len(found["data"]["attributions"])
    with pytest.raises(UmbelError, match="no explanation within its budget"):
        why(IMAGES[:1], {"budget_samples": 3})


def test_two_saved_programs_load_at_once(saved: Any) -> None:
    """torch.export reads one file at a time; nodes are loaded in threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            assert explainer("captum-saliency", of=saved)(IMAGES[:1])["data"]["target"]
