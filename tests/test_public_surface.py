"""What ``import umbel`` offers is this list, nothing more and nothing less."""

from __future__ import annotations

import types

import source_tree
import umbel

NAMES = [
    "AsyncInferenceClient",
    "Batch",
    "Cache",
    "CheckFailed",
    "ClientError",
    "DeadlineExceeded",
    "DeclarationError",
    "InferenceClient",
    "InvalidInput",
    "MissingExtra",
    "NodeFailed",
    "NotFound",
    "Placement",
    "Pool",
    "Retry",
    "Scale",
    "Tensor",
    "UmbelError",
    "ensemble",
    "explainer",
    "inference_graph",
    "model_pool",
    "otherwise",
    "predictor",
    "splitter",
    "switch",
    "transformer",
    "when",
]


def test_all_is_the_list() -> None:
    assert sorted(umbel.__all__) == NAMES
    assert len(set(umbel.__all__)) == len(umbel.__all__)


def test_the_names_present_are_the_list() -> None:
    """Submodules appear once imported; helpers of the front door begin with an underscore."""
    assert all(getattr(umbel, name) for name in NAMES)  # some are made when first asked for
    present = {
        name
        for name, value in vars(umbel).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and name != "annotations"  # `from __future__ import annotations`
    }
    assert present == set(NAMES)


def test_the_version_is_the_distributions() -> None:
    assert str(umbel.__version__)[0].isdigit()


def test_no_name_is_a_folders() -> None:
    """``umbel.graph`` is the package: a decorator of that name would hide it."""
    taken = {*source_tree.FOLDERS, "cli"}
    assert not taken & set(umbel.__all__)


def test_every_name_has_a_docstring() -> None:
    assert not [name for name in umbel.__all__ if not getattr(umbel, name).__doc__]
