"""In which order the lines of a page are read: columns one after the other, tables by rows.

A column ends at a gutter, a white strip between lines of prose that is several lines high. The
highest gutter divides the page: what is above it, its left side, its right side, what is below; and
each of these in the same way. White between the cells of a table or the fields of a form is none:
there, rows are read from edge to edge.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qwen_ocr_serve.documents.lines import Line, extent

Row = list[Line]
"""Lines beside each other, from the left."""

_GUTTER_WIDTH = 1.0
"""In heights of type, as all lengths here."""
_GUTTER_HEIGHT = 8.0
_GUTTER_ROWS = 5
"""On both sides of a gutter, at least: between words of prose, white strips that are four lines
high happen by chance."""
_MOST_GUTTERS = 40
_DEEPEST = 12
_ALIGNED = 0.6
"""Part of the rows on both sides of a table's white strip that stand at the same height."""
_PROSE_WIDTH = 8.0
"""Cells of tables are mostly narrower than columns of prose."""
_RAGGED = 0.3
"""Part of their width by which lines of prose end before the gutter, at most, in the median."""
_WORD_GAP = 2.5


class _Gutter(NamedTuple):
    height: float
    left: list[Line]
    right: list[Line]


def rows_of(lines: Sequence[Line]) -> list[Row]:
    """The lines in rows, from the top."""
    rows: list[Row] = []
    for line in sorted(lines, key=lambda line: line.top + line.bottom):
        for row in rows[-3:]:
            first = row[0]
            common = min(first.bottom, line.bottom) - max(first.top, line.top)
            if common > 0.5 * min(first.bottom - first.top, line.bottom - line.top):
                row.append(line)
                break
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.left) for row in rows]


def in_reading_order(lines: Sequence[Line], height: float) -> list[list[Line]]:
    """The lines in regions, in the order in which these are read; `height` is that of the type."""
    return list(_divided(list(lines), height, _DEEPEST))


def _divided(lines: list[Line], height: float, levels: int) -> list[list[Line]]:
    gutter = _find_gutter(lines, height) if levels else None
    if gutter is None:
        return [lines] if lines else []
    sides = {id(line) for line in (*gutter.left, *gutter.right)}
    _, top, _, bottom = extent((*gutter.left, *gutter.right))
    others = [line for line in lines if id(line) not in sides]
    above = [line for line in others if line.top + line.bottom < top + bottom]
    below = [line for line in others if line.top + line.bottom >= top + bottom]
    return [
        region
        for part in (above, gutter.left, gutter.right, below)
        for region in _divided(part, height, levels - 1)
    ]


def _find_gutter(lines: list[Line], height: float) -> _Gutter | None:
    """The highest gutter, or None."""
    candidates = sorted(_white_strips(lines, height), key=lambda gutter: -gutter.height)
    for gutter in candidates[:_MOST_GUTTERS]:
        left, right = rows_of(gutter.left), rows_of(gutter.right)
        if min(len(left), len(right)) < _GUTTER_ROWS:
            continue
        table = _aligned(left, right) >= _ALIGNED or _aligned(right, left) >= _ALIGNED
        if not table or (_is_prose(left, height, -1) and _is_prose(right, height, 0)):
            return gutter
    return None


def _white_strips(lines: list[Line], height: float) -> list[_Gutter]:
    """White strips with enough lines on both sides, each beginning where some line ends."""
    boxes = np.array([(o.left, o.top, o.right, o.bottom) for o in lines], dtype=np.float64)
    if len(boxes) < 6:
        return []
    found = []
    for start in np.unique(boxes[:, 2]) + 1:
        end = start + _GUTTER_WIDTH * height
        across = boxes[(boxes[:, 0] < end) & (boxes[:, 2] > start)]
        left, right = boxes[:, 2] <= start, boxes[:, 0] >= end
        for top, bottom in _between(across, boxes[:, 1].min() - 1, boxes[:, 3].max() + 1):
            within = (boxes[:, 1] >= top - 1) & (boxes[:, 3] <= bottom + 1)
            sides = (left & within, right & within)
            if min(side.sum() for side in sides) < 3:
                continue
            least = min(boxes[side, 3].max() - boxes[side, 1].min() for side in sides)
            if least >= _GUTTER_HEIGHT * height:
                both = ([lines[i] for i in np.flatnonzero(side)] for side in sides)
                found.append(_Gutter(float(least), *both))
    return found


def _between(boxes: NDArray[np.float64], top: float, bottom: float) -> list[tuple[float, float]]:
    """What lies between boxes, from top to bottom."""
    gaps = []
    for _, first, _, last in boxes[np.argsort(boxes[:, 1])]:
        if first > top:
            gaps.append((top, first))
        top = max(top, last)
    if bottom > top:
        gaps.append((top, bottom))
    return gaps


def _aligned(rows: list[Row], others: list[Row]) -> float:
    """Part of the rows that have one of the others beside them."""
    spans = [extent(other)[1::2] for other in others]
    beside = 0
    for row in rows:
        _, top, _, bottom = extent(row)
        beside += any(
            min(bottom, last) - max(top, first) > 0.5 * (bottom - top) for first, last in spans
        )
    return beside / len(rows)


def _is_prose(rows: list[Row], height: float, side: int) -> bool:
    """Whether what stands next to a gutter, at the rows' end (-1) or start (0), is prose."""
    widths, edges = [], []
    for row in rows:
        near = row[::-1] if side else row
        left, right = near[0].left, near[0].right
        for line in near[1:]:
            if max(line.left - right, left - line.right) >= _WORD_GAP * height:
                break
            left, right = min(left, line.left), max(right, line.right)
        widths.append(right - left)
        edges.append(right if side else left)
    width = float(np.median(widths))
    edge = max(edges) if side else min(edges)
    ragged = float(np.median(np.abs(np.array(edges) - edge)))
    return width >= _PROSE_WIDTH * height and ragged <= _RAGGED * width
