"""An explanation as a picture: SVG or PNG, drawn by matplotlib from the explanation alone.

Anchors are a rule with its precision and coverage, attributions of features are bars, of images
an overlay, curves of features are lines, counterfactuals a table of what changes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from umbel.explainers.explanations import Explanation
from umbel.graph.errors import InvalidInput, MissingExtra

MOST_BARS = 20
MOST_PANELS = 12
MOST_COLUMNS = 4
RISE, FALL, PLAIN = "#c0392b", "#2471a3", "#5d6d7e"


def with_picture(explanation: Explanation, kind: str) -> Explanation:
    """The explanation with ``picture``: its media type and its text (SVG) or base64 (PNG).

    Raises ``InvalidInput`` for an explanation that has no picture, ``MissingExtra`` without
    matplotlib.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtra("a picture of an explanation", "matplotlib", "alibi") from error
    draw = _drawing(explanation)
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "umbel", "font.size": 9, "text.parse_math": False}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        draw(figure, explanation)
        when = {"Date": None} if kind == "svg" else {}
        figure.savefig(buffer, format=kind, dpi=120, metadata=when)
    if kind == "svg":
        picture = {"content_type": "image/svg+xml", "data": buffer.getvalue().decode()}
    else:
        data = base64.b64encode(buffer.getvalue()).decode()
        picture = {"content_type": "image/png", "data": data}
    return {**explanation, "picture": picture}


def _drawing(explanation: Explanation) -> Callable[[Any, Explanation], None]:
    data = explanation["data"]
    for key, draw in _DRAWINGS.items():
        if key in data:
            return draw
    raise InvalidInput(f"there is no picture of {explanation['meta'].get('name')}")


def _anchor(figure: Any, explanation: Explanation) -> None:
    """The rule, and how precise it is with each part of it."""
    data = explanation["data"]
    parts = [str(part) for part in data["anchor"]] or ["(always)"]
    raw = data["raw"]
    precision = [_number(p) for p in raw.get("precision") or [data["precision"]]]
    axes = figure.add_subplot()
    count = min(len(parts), len(precision), MOST_BARS)
    figure.set_size_inches(7, 0.5 * count + 1.2)
    places = np.arange(count)
    axes.barh(places, precision[:count], color=PLAIN)
    labels = [("IF " if at == 0 else "AND ") + parts[at] for at in range(count)]
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("precision with this part and those above")
    predicted = raw.get("prediction")
    held = f"precision {_number(data['precision']):.3f}, coverage {_number(data['coverage']):.3f}"
    axes.set_title(f"THEN prediction {_short(predicted)}: {held}")


def _anchor_image(figure: Any, explanation: Explanation) -> None:
    """The image, and the parts of it that hold the prediction in place."""
    data = explanation["data"]
    image, anchor = np.asarray(data["raw"]["instance"]), np.asarray(data["anchor"])
    kept = anchor.reshape(*anchor.shape[:2], -1).any(axis=2)
    left, right = figure.subplots(1, 2)
    for axes, title in ((left, "image"), (right, "anchor")):
        _show(axes, image)
        axes.set_title(title)
    shade = np.zeros((*kept.shape, 4))
    shade[~kept] = (1, 1, 1, 0.85)
    right.imshow(shade)
    held = f"precision {_number(data['precision']):.3f}"
    figure.suptitle(f"prediction {_short(data['raw'].get('prediction'))}: {held}")


def _shap(figure: Any, explanation: Explanation) -> None:
    """What each feature adds to the predicted output of the first row; of several rows, how much
    it adds on average."""
    data = explanation["data"]
    values = [np.asarray(one, dtype=float) for one in data["shap_values"]]
    if values[0].ndim != 2:
        raise InvalidInput("there is no picture of SHAP interaction values")
    predicted = np.asarray(data["raw"].get("prediction")).reshape(-1)
    output = int(predicted[0]) if len(values) > 1 and len(predicted) else 0
    output = output if 0 <= output < len(values) else 0
    names = list(data.get("feature_names") or [])
    rows = values[output]
    if len(rows) == 1:
        _bars(figure, names, rows[0], f"SHAP values, output {output}")
    else:
        _bars(figure, names, np.abs(rows).mean(axis=0), f"mean |SHAP|, {len(rows)} rows")


def _attributions(figure: Any, explanation: Explanation) -> None:
    """The first instance's attributions: bars of a row, an overlay of an image."""
    data = explanation["data"]
    values = np.asarray(data["attributions"][0], dtype=float)
    title = f"{explanation['meta']['name']}, output {_short(data['target'][0])}"
    if values.ndim == 1:
        _bars(figure, [], values, title)
        return
    image = np.asarray(data["instances"][0], dtype=float)
    flat = values.reshape(-1, *values.shape[-2:]).sum(axis=0)
    axes = figure.add_subplot()
    _show(axes, image.reshape(-1, *image.shape[-2:]).mean(axis=0)[..., None])
    most = float(np.abs(flat).max()) or 1.0
    shown = axes.imshow(flat, cmap="RdBu_r", alpha=0.7, vmin=-most, vmax=most)
    figure.colorbar(shown, ax=axes)
    axes.set_title(title)


def _curves(figure: Any, explanation: Explanation) -> None:
    """One panel a feature, one line an output."""
    data = explanation["data"]
    ale = "ale_values" in data
    pairs = [
        (name, np.asarray(xs, dtype=float), np.asarray(ys, dtype=float))
        for name, xs, ys in zip(
            data["feature_names"],
            data["feature_values"],
            data["ale_values"] if ale else data["pd_values"] or data["ice_values"],
            strict=True,
        )
        if np.ndim(xs[0]) == 0
    ][:MOST_PANELS]
    if not pairs:
        raise InvalidInput("there is no picture of pairs of features")
    columns = min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    figure.set_size_inches(2.6 * columns + 1, 2.2 * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for axes in panels[len(pairs) :]:
        axes.set_axis_off()
    for axes, (name, xs, ys) in zip(panels, pairs, strict=False):
        lines = ys if ale else ys.reshape(-1, len(xs)).T
        axes.plot(xs, lines, linewidth=1)
        axes.set_xlabel(str(name))
    figure.suptitle("accumulated local effects" if ale else "partial dependence")


def _importance(figure: Any, explanation: Explanation) -> None:
    data = explanation["data"]
    means = [_number(one["mean"] if isinstance(one, dict) else one)
             for one in data["feature_importance"][0]]  # fmt: skip
    names = [str(name) for name in data["feature_names"]]
    _bars(figure, names, np.asarray(means), f"permutation importance, {data['metric_names'][0]}")


def _attack(figure: Any, explanation: Explanation) -> None:
    data = explanation["data"]
    before = np.asarray(data["instance"], dtype=float)
    change = np.asarray(data["adversarial_example"], dtype=float)[0] - before
    title = f"prediction {data['prediction']} becomes {data['adversarial_prediction']}"
    if before.ndim == 1:
        _bars(figure, [], change, f"changes: {title}")
        return
    panels = figure.subplots(1, 2)
    for axes, values, name in zip(
        panels, (before, before + change), ("before", "after"), strict=True
    ):
        _show(axes, values)
        axes.set_title(name)
    figure.suptitle(title)


def _counterfactual(figure: Any, explanation: Explanation) -> None:
    """A table: the first instance, and what would have to be different. Images side by side."""
    data = explanation["data"]
    before, after = np.asarray(data["orig"]["X"][0]), [np.asarray(x) for x in data["cf"]["X"]]
    several = len(after) > 1 and len(data["orig"]["X"]) == 1
    after = after[: MOST_COLUMNS if several else 1]
    answers = [_short(one) for one in data["cf"]["class"]]
    title = f"prediction {_short(data['orig']['class'][0])}, and what would change it"
    if before.ndim > 1:
        heads = ["before", *(f"becomes {answer}" for answer in answers)]
        panels = figure.subplots(1, 1 + len(after), squeeze=False).reshape(-1)
        for axes, values, name in zip(panels, (before, *after), heads, strict=False):
            _show(axes, values)
            axes.set_title(name)
    else:
        _changes(figure, explanation["meta"]["params"], before, after, answers)
    figure.suptitle(title)


def _changes(
    figure: Any, params: dict[str, Any], before: Any, after: list[Any], answers: list[str]
) -> None:
    names = list(params.get("feature_names") or [f"feature {at}" for at in range(len(before))])
    categories = params.get("category_map") or {}
    changed = [at for at in range(len(before)) if any(_differ(x[at], before[at]) for x in after)]
    shown = changed[:MOST_BARS]

    def said(at: int, value: Any) -> str:
        known = categories.get(str(at), categories.get(at))
        return str(known[int(value)]) if known else f"{float(value):.4g}"

    heads = ["feature", "now", *(f"prediction {answer}" for answer in answers[: len(after)])]
    rows = [[names[at], *(said(at, x[at]) for x in (before, *after))] for at in shown]
    kept = len(before) - len(changed)
    rows.append(
        [f"{kept} {'feature' if kept == 1 else 'features'} unchanged", *[""] * (len(heads) - 1)]
    )
    figure.set_size_inches(max(5, 1.8 * len(heads)), 0.3 * len(rows) + 1.1)
    axes = figure.add_subplot()
    axes.set_axis_off()
    table = axes.table(rows, colLabels=heads, cellLoc="left", colLoc="left", bbox=(0, 0, 1, 1))
    table.auto_set_column_width(list(range(len(heads))))
    for (row, column), cell in table.get_celld().items():
        cell.set_edgecolor("#d5d8dc")
        if 0 < row <= len(shown) and column > 1:
            moved = _differ(after[column - 2][shown[row - 1]], before[shown[row - 1]])
            cell.get_text().set_color(RISE if moved else PLAIN)


def _differ(one: Any, other: Any) -> bool:
    return abs(float(one) - float(other)) > 1e-3 * max(1.0, abs(float(other)))


def _bars(figure: Any, names: Sequence[str], values: Any, title: str) -> None:
    order = np.argsort(-np.abs(values))[:MOST_BARS]
    axes = figure.add_subplot()
    figure.set_size_inches(7, max(2.0, 0.28 * len(order) + 1))
    colours = [RISE if values[at] >= 0 else FALL for at in order]
    axes.barh(np.arange(len(order)), values[order], color=colours)
    labels = [str(names[at]) if at < len(names) else f"feature {at}" for at in order]
    axes.set_yticks(np.arange(len(order)), labels)
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    left = f" ({len(values) - len(order)} more)" if len(values) > len(order) else ""
    axes.set_title(title + left)


def _show(axes: Any, image: Any) -> None:
    image = np.asarray(image, dtype=float)
    if image.ndim == 3 and image.shape[-1] not in (1, 3, 4):
        image = image.mean(axis=0)[..., None]
    span = float(image.max() - image.min()) or 1.0
    scaled = (image - image.min()) / span
    axes.imshow(scaled[..., 0] if scaled.ndim == 3 and scaled.shape[-1] == 1 else scaled,
                cmap="gray")  # fmt: skip
    axes.set_axis_off()


def _number(value: Any) -> float:
    return float(np.asarray(value, dtype=float).reshape(-1)[-1])


def _short(value: Any) -> str:
    return str(value[0] if isinstance(value, list) and value else value)


_DRAWINGS: dict[str, Callable[[Any, Explanation], None]] = {
    "segments": _anchor_image,
    "anchor": _anchor,
    "shap_values": _shap,
    "attributions": _attributions,
    "ale_values": _curves,
    "pd_values": _curves,
    "feature_importance": _importance,
    "adversarial_example": _attack,
    "cf": _counterfactual,
}
"""The key of ``data`` that tells a drawing, the first that is there."""
