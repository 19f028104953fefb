"""Whether the lines of a page run from top to bottom, as in Chinese and Japanese books.

The rules for lines, columns and tables take lines to be level, so such a page is told apart, and is
not read in the right order. Of 187 images with level lines none has more than 0.13 of its ink in
vertical ones; of pages with vertical lines that were drawn for the tests, each has more than 0.4.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from qwen_ocr_serve.documents.ink import Mask
from qwen_ocr_serve.documents.lines import Line

_SIZE = 16.0
"""Pixels to which the type is scaled before it is looked at."""
_REACHES = (0.4, 0.65)
"""In heights of type: wider than between characters of a line, narrower than between lines; the
second is for lines whose characters are spaced."""
_LONG = 4.0
"""So many times as long as it is thick, ink is a line."""
_MOST = 0.4
"""Part of the ink that stands in vertical lines, at least."""
_FEW = 0.25
"""Part of the ink that stands in level lines, at most."""
_TALL = 2.5
"""So many times as high as it is wide, a line of a PDF is vertical."""


def is_vertical(ink: Mask, height: float) -> bool:
    """Whether most type of a page, which is `height` pixels high, stands in vertical lines."""
    if not height:
        return False
    scale = _SIZE / height
    size = tuple(max(1, round(side * scale)) for side in ink.shape[::-1])
    small = cv2.resize(ink.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    marks = (small > 48).astype(np.uint8)
    reaches = (round(reach * _SIZE) for reach in _REACHES)
    return any(
        _in_lines(marks, (1, reach)) >= _MOST and _in_lines(marks, (reach, 1)) <= _FEW
        for reach in reaches
    )


def _in_lines(marks: cv2.typing.MatLike, reach: tuple[int, int]) -> float:
    """Part of the ink in pieces that are long in one direction, once gaps in that are closed."""
    closed = cv2.morphologyEx(marks, cv2.MORPH_CLOSE, np.ones(reach[::-1], np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    width, height = stats[:, 2], stats[:, 3]
    across, along = (height, width) if reach[0] > 1 else (width, height)
    line = (along >= _LONG * across) & (across >= _SIZE / 2) & (across <= 4 * _SIZE)
    line[0] = False
    ink = np.bincount(labels[marks != 0], minlength=len(stats))
    return float(ink[line].sum() / max(ink[1:].sum(), 1))


def are_vertical(lines: Sequence[Line]) -> bool:
    """Whether most text of a page, whose lines are known, stands in vertical lines."""
    letters = {True: 0, False: 0}
    for line in lines:
        tall = line.bottom - line.top > _TALL * (line.right - line.left)
        letters[tall] += len(line.text or "")
    return letters[True] > letters[False]
