"""Six test pictures with the true boxes and the winner's, as one figure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.data.answers import Answers
from harness.records.final import BOX_PICTURES
from harness.report.kit.figures import COLORS, Figure, layout
from harness.report.kit.text import for_figure
from harness.report.kit.view import View
from harness.stats.ragged import ragged_of

__all__ = ["pictures_with_boxes"]

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_COLUMNS, _GAP, _ROW_PIXELS = 3, 0.02, 260


def pictures_with_boxes(view: View, answers: Answers, names: Sequence[str]) -> Figure | None:
    """The pictures that the decision kept, with their boxes; None where it kept none that can be read."""
    shown = [part for part in _kept(view) if part["row"] < len(answers)]
    if not shown:
        return None
    lines = -(-len(shown) // _COLUMNS)
    axes: dict[str, Any] = {}
    images, data = [], []
    for at, part in enumerate(shown):
        number = "" if at == 0 else str(at + 1)
        axes |= _axes(number, at, lines, part)
        images.append(
            {
                "source": f"data:image/jpeg;base64,{part['jpeg']}",
                "xref": f"x{number}", "yref": f"y{number}", "x": 0, "y": part["height"], "layer": "below",
                "sizex": part["width"], "sizey": part["height"], "sizing": "stretch",
            }
        )  # fmt: skip
        for kind, color in (("true", "green"), ("predicted", "orange")):
            data.append(_trace(answers, part, kind, COLORS[color], names, number, is_first=at == 0))
    empty: dict[str, Any] = {}
    whole = layout(empty, empty, 40 + lines * _ROW_PIXELS, images=images)
    return Figure(
        key="pictures",
        title="Test pictures with their boxes",
        data=data,
        layout={**whole, **axes},
        alt=f"{len(shown)} test pictures, spread evenly over all, with the true boxes and those that the model shows.",
        note="Click a name in the legend to hide its boxes; point at a corner for class and score.",
        wide=True,
    )


def _kept(view: View) -> list[dict[str, Any]]:
    """The pictures in the file of the decision, as far as they are what they should be."""
    final = view.results.final
    path = view.file(f"{final.folder}/{BOX_PICTURES}") if final is not None else None
    try:
        parts = json.loads(path.read_text(encoding="utf-8")) if path is not None else []
    except (OSError, ValueError):
        return []
    return [part for part in parts if _is_whole(part)] if isinstance(parts, list) else []


def _is_whole(part: Any) -> bool:
    if not isinstance(part, dict) or not isinstance(part.get("jpeg"), str) or not _BASE64.fullmatch(part["jpeg"]):
        return False
    return all(isinstance(part.get(name), int) and part[name] >= 0 for name in ("row", "height", "width"))


def _axes(number: str, at: int, lines: int, part: dict[str, Any]) -> dict[str, Any]:
    """The axes of the picture at place `at`, which have its pixels, and no marks."""
    line, column = divmod(at, _COLUMNS)
    left, top = column / _COLUMNS, 1 - line / lines
    plain = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "fixedrange": True}
    wide = {"range": [0, part["width"]], "domain": [left, left + 1 / _COLUMNS - _GAP], "anchor": f"y{number}"}
    high = {"range": [0, part["height"]], "domain": [top - 1 / lines + _GAP, top], "anchor": f"x{number}"}
    shape = {"scaleanchor": f"x{number}", "constrain": "domain"}
    return {f"xaxis{number}": plain | wide | {"constrain": "domain"}, f"yaxis{number}": plain | high | shape}


def _trace(
    answers: Answers, part: dict[str, Any], kind: str, color: str, names: Sequence[str], number: str, *, is_first: bool
) -> dict[str, Any]:
    """The outlines of the boxes of one kind in one picture."""
    row, height = np.array([part["row"]]), part["height"]
    arrays = answers.targets if kind == "true" else answers.outputs
    boxes, classes = (ragged_of(arrays[name]).of(row) for name in ("boxes", "classes"))
    titles = [names[int(one)] for one in classes]
    if kind == "predicted":
        is_shown, scores = (ragged_of(arrays[name]).of(row) for name in ("shown", "scores"))
        kept = np.flatnonzero(is_shown)
        titles = [f"{titles[one]} {scores[one]:.2f}" for one in kept]
        boxes = boxes[kept]
    xs: list[float | None] = []
    ys: list[float | None] = []
    texts: list[str] = []
    for title, (left, top, right, bottom) in zip(titles, boxes.astype(float).round(1).tolist(), strict=True):
        xs += [left, right, right, left, left, None]
        ys += [height - top, height - top, height - bottom, height - bottom, height - top, None]
        texts += [for_figure(f"{kind}: {title}")] * 6
    return {
        "type": "scatter", "mode": "lines", "x": xs, "y": ys, "xaxis": f"x{number}", "yaxis": f"y{number}",
        "text": texts, "hovertemplate": "%{text}<extra></extra>", "name": kind, "legendgroup": kind,
        "showlegend": is_first, "line": {"color": color, "width": 2, "dash": "solid" if kind == "true" else "dot"},
    }  # fmt: skip
