"""Checks an XGBoost file before the library reads it.

The library trusts what it reads: an index out of range in a tree ends the process, on loading
or at the first prediction. A file cut short or changed on the way must not take a replica
with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from umbel.nodes import ubjson

_NODE_ARRAYS = (
    "left_children", "right_children", "parents", "split_indices", "split_conditions",
    "default_left", "base_weights",
)  # fmt: skip


def check_contents(path: Path) -> None:
    """Raise ValueError, KeyError or TypeError with the first thing wrong in the file."""
    content = path.read_bytes()
    if content[:1] != b"{":
        raise ValueError("neither JSON nor UBJSON: the older binary form is not read any more")
    binary = len(content) > 1 and content[1:2] in b"iUIlL"
    model = ubjson.decode(content) if binary else json.loads(content)
    learner = model["learner"]
    features = int(learner["learner_model_param"]["num_feature"])
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        return
    trees = (booster["gbtree"] if booster["name"] == "dart" else booster)["model"]
    count = int(trees["gbtree_model_param"]["num_trees"])
    if len(trees["trees"]) != count or len(trees["tree_info"]) != count:
        raise ValueError(f"says {count} trees, has {len(trees['trees'])}")
    groups = max(1, int(learner["learner_model_param"]["num_class"]))
    groups = max(groups, int(learner["learner_model_param"].get("num_target", 1)))
    _within(trees["tree_info"], 0, groups, "tree_info")
    _within(trees.get("iteration_indptr", []), 0, count + 1, "iteration_indptr")
    for number, tree in enumerate(trees["trees"]):
        try:
            _check_tree(tree, features)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"tree {number}: {error}") from None


def _check_tree(tree: Mapping[str, Any], features: int) -> None:
    nodes = int(tree["tree_param"]["num_nodes"])
    for name in _NODE_ARRAYS:
        size = len(tree[name])
        if nodes < 1 or size % nodes or (size != nodes and name != "base_weights"):
            raise ValueError(f"{name} has {size} values for {nodes} nodes")
    left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
    inner = left != -1
    if not np.array_equal(inner, right != -1):
        raise ValueError("a node with one child")
    children = np.concatenate([left[inner], right[inner]])
    _within(children, 1, nodes, "children")
    if len(np.unique(children)) != len(children):
        raise ValueError("a node with two parents")
    _within(np.asarray(tree["split_indices"])[inner], 0, features, "split_indices")
    known = len(tree.get("categories", []))
    starts = np.asarray(tree.get("categories_segments", []), dtype=np.int64)
    sizes = np.asarray(tree.get("categories_sizes", []), dtype=np.int64)
    _within(tree.get("categories_nodes", []), 0, nodes, "categories_nodes")
    _within(starts, 0, known + 1, "categories_segments")
    _within(starts + sizes, 0, known + 1, "categories_sizes")


def _within(values: Any, low: int, end: int, what: str) -> None:
    array = np.asarray(values)
    if array.size and (int(array.min()) < low or int(array.max()) >= end):
        raise ValueError(f"{what} beyond {low} to {end - 1}")
