"""Checks a LightGBM text file before the library reads it.

The library ends the process on a file cut short, and follows child indices without looking.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_END = b"end of trees"
_OF_NODES = ("split_gain", "internal_value", "internal_weight", "internal_count")


def checked_text(path: Path) -> str:
    """The header and the trees of the file: all that predictions need.

    What follows them (importances, parameters of the training) is left out. Raises ValueError
    or KeyError with the first thing wrong.
    """
    content = path.read_bytes()
    start = content.find(b"\nTree=0")
    header = _fields(content[: start if start >= 0 else 0])
    if not content.startswith(b"tree") or not header:
        raise ValueError("no text file of LightGBM's save_model")
    if content.find(_END, start) < 0:
        raise ValueError("cut short: its trees do not end")
    features = int(header["max_feature_idx"]) + 1
    at = start + 1
    if int(header["num_class"]) < 1 or int(header["num_tree_per_iteration"]) < 1:
        raise ValueError("num_class and num_tree_per_iteration are at least 1")
    if len(header["feature_names"].split()) != features:
        raise ValueError(f"feature_names are not {features}")
    sizes = [int(size) for size in header["tree_sizes"].split()]
    for number, size in enumerate(sizes):
        tree = content[at : at + size]
        if not tree.startswith(b"Tree=%d\n" % number):
            raise ValueError(f"tree {number} does not stand where tree_sizes says")
        try:
            _check_tree(_fields(tree), features)
        except (ValueError, KeyError) as error:
            raise ValueError(f"tree {number}: {error}") from None
        at += size
    if not content[at:].lstrip().startswith(_END):
        raise ValueError("its trees do not end where tree_sizes says")
    return (content[:at] + _END + b"\n").decode("utf-8")


def _fields(text: bytes) -> dict[str, str]:
    lines = text.decode("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _check_tree(tree: dict[str, str], features: int) -> None:
    leaves = int(tree["num_leaves"])
    if leaves < 1:
        raise ValueError("no leaves")
    _numbers(tree, "leaf_value", leaves)
    if leaves == 1:
        return
    for name in _OF_NODES:
        if name in tree:
            _numbers(tree, name, leaves - 1)
    for name in ("leaf_weight", "leaf_count"):
        if name in tree:
            _numbers(tree, name, leaves)
    _integers(tree, "split_feature", leaves - 1, 0, features)
    left = _integers(tree, "left_child", leaves - 1, -leaves, leaves - 1)
    right = _integers(tree, "right_child", leaves - 1, -leaves, leaves - 1)
    children = np.concatenate([left, right])
    if len(np.unique(children)) != len(children) or 0 in children:
        raise ValueError("a node with two parents")
    kinds = _integers(tree, "decision_type", leaves - 1, -128, 128)
    thresholds = _numbers(tree, "threshold", leaves - 1)
    categories = int(tree["num_cat"])
    by_category = thresholds[(kinds & 1) == 1]
    if categories == 0 and by_category.size == 0:
        return
    if by_category.size and not (by_category.min() >= 0 and by_category.max() < categories):
        raise ValueError("a split by a category that is not there")
    words = len(tree["cat_threshold"].split())
    bounds = _integers(tree, "cat_boundaries", categories + 1, 0, words + 1)
    if bounds[0] != 0 or bounds[-1] != words or bool((np.diff(bounds) < 0).any()):
        raise ValueError("cat_boundaries does not fit cat_threshold")


def _numbers(
    tree: dict[str, str], name: str, count: int, kind: type[np.generic] = np.float64
) -> np.ndarray[Any, np.dtype[Any]]:
    values = np.array(tree[name].split(), dtype=kind)
    if len(values) != count:
        raise ValueError(f"{name} is not {count} numbers")
    return values


def _integers(
    tree: dict[str, str], name: str, count: int, low: int, end: int
) -> np.ndarray[Any, np.dtype[Any]]:
    values = _numbers(tree, name, count, np.int64)
    if count and (values.min() < low or values.max() >= end):
        raise ValueError(f"{name} beyond {low} to {end - 1}")
    return values
