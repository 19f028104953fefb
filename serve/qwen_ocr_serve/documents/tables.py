"""Tables among the rows of a region: rows of cells that stand in the same columns.

A table is found by its white alone, so one without rules is found as well. A form whose labels and
values stand in two columns counts as one, too.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from qwen_ocr_serve.documents.columns import Row
from qwen_ocr_serve.documents.lines import Line, Run, extent
from qwen_ocr_serve.documents.pieces import WORD_GAP

_GAP = 0.8
"""White between two columns, in heights of type, at least."""
_ROW_GAP = 3.0
"""White between two rows of a table, in heights of type, at most."""
_ROWS = 3
"""Rows with several cells, at least."""
_FILLED = 0.55
"""Part of its cells that hold something, at least."""
_CELLS = 1.6
"""Cells of a row that hold something, on average, at least."""
_SPREAD = 2.0
"""So many times as wide as the gaps between words are those between cells, at least: in justified
lines all gaps can be wide, and some of them stand one below the other."""
_CROSSING = 0.15
"""Part of the cells, the widest ones, that may cross from one column to the next."""


class Part(NamedTuple):
    """Some rows of a region, one below the other."""

    rows: list[Row]
    columns: list[Run]
    """The left and the right edge of each column; none if these rows are no table."""

    def column_of(self, line: Line) -> int:
        """In which column a cell stands, from 0; 0 if these rows are no table."""
        if not self.columns:
            return 0
        shared = [min(line.right, right) - max(line.left, left) for left, right in self.columns]
        return shared.index(max(shared))


def divide(rows: Sequence[Row], height: float) -> Iterator[Part]:
    """The rows in parts, tables and what is between them; `height` is that of the type."""
    others: list[Row] = []
    for run in _close_rows(rows, _ROW_GAP * height):
        for several, group in groupby(_smoothed(run), key=lambda item: item[1]):
            found = [row for row, _ in group]
            columns = _columns(found, height) if several else []
            if columns:
                if others:
                    yield Part(others, [])
                    others = []
                yield Part(found, columns)
            else:
                others = [*others, *found]
    if others:
        yield Part(others, [])


def _close_rows(rows: Sequence[Row], most: float) -> Iterator[list[Row]]:
    run: list[Row] = []
    for row in rows:
        if run and extent(row)[1] - extent(run[-1])[3] > most:
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _smoothed(rows: list[Row]) -> list[tuple[Row, bool]]:
    """Each row, and whether it belongs to rows with several cells.

    One row with a single cell between others is a cell that goes on, or a heading within a table.
    """
    several = [len(row) > 1 for row in rows]
    return [
        (row, several[at] or (0 < at < len(rows) - 1 and several[at - 1] and several[at + 1]))
        for at, row in enumerate(rows)
    ]


def _columns(rows: list[Row], height: float) -> list[Run]:
    """The columns of these rows, from the left; none if they are no table."""
    full = [row for row in rows if len(row) > 1]
    if len(full) < _ROWS:
        return []
    words = [gap for row in full for line in row for gap in _word_gaps(line, height)]
    between = [right.left - left.right for row in full for left, right in pairwise(row)]
    if words and np.median(between) < _SPREAD * np.percentile(words, 80):
        return []
    cells = sorted((line.right - line.left, line.left, line.right) for row in full for line in row)
    for crossing in (0, int(_CROSSING * len(cells))):
        columns = _merged([cell[1:] for cell in cells[: len(cells) - crossing]], _GAP * height)
        if len(columns) < 2:
            continue
        part = Part(full, columns)
        filled = sum(len({part.column_of(line) for line in row}) for row in full)
        if filled >= max(_FILLED * len(columns), _CELLS) * len(full):
            return columns
    return []


def _word_gaps(line: Line, height: float) -> Iterator[int]:
    for (_, right), (left, _) in pairwise(line.letters):
        if left - right >= WORD_GAP * height:
            yield left - right


def _merged(runs: list[tuple[int, int]], gap: float) -> list[Run]:
    """Where there is anything, from the left, in runs with at least `gap` between them."""
    merged: list[Run] = []
    for left, right in sorted(runs):
        if merged and left - merged[-1][1] < gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], right))
        else:
            merged.append((left, right))
    return merged
