"""Photos on a page, which have no outline of ink: areas whose colours are not the paper's.

An area of one colour is no photo but a panel, and one with lines of type on it is paper in the
shade.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from qwen_ocr_serve.documents.ink import Grey
from qwen_ocr_serve.documents.lines import Box, Line

_CELLS = 120
"""Cells into which the page's shorter side is divided."""
_DIFFERENCE = 20
"""Of 255, from the paper, from which on a pixel is another colour."""
_COVERED = 0.6
"""Part of a cell that has other colours, at least: type covers less."""
_SIDE = 0.08
"""Part of the page's shorter side that each side of a photo has, at least."""
_FILLED = 0.7
"""Part of its box that a photo fills, at least."""
_PLAIN = 0.4
"""Part of an area that has nearly one colour, from which on it is a panel."""
_LEVELS = 8
"""Of 255, that count as nearly one colour."""
_LINES = 3
"""Lines of type in the shade, at least."""
_LETTERS = 5


def find_photos(page: Grey, lines: Sequence[Line]) -> list[Box]:
    """The boxes of photos on an upright page, whose lines of type are known."""
    height, width = page.shape
    cell = max(4, min(page.shape) // _CELLS)
    paper = int(np.bincount(page.ravel(), minlength=256).argmax())
    other = cv2.absdiff(page, np.full_like(page, paper)) > _DIFFERENCE
    size = (max(1, width // cell), max(1, height // cell))
    covered = cv2.resize(other.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    mask = (covered > _COVERED).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    least = _SIDE * min(size)
    across, down = width / size[0], height / size[1]
    photos = []
    for left, top, wide, high, area in stats[1:].tolist():
        if min(wide, high) < least or area < _FILLED * wide * high:
            continue
        box = (
            round(left * across),
            round(top * down),
            round((left + wide) * across),
            round((top + high) * down),
        )
        text = sum(len(line.letters) >= _LETTERS for line in inside(box, lines))
        if text < _LINES and not _is_plain(page[box[1] : box[3], box[0] : box[2]]):
            photos.append(box)
    return photos


def inside(box: Box, lines: Sequence[Line]) -> Iterator[Line]:
    """The lines whose middle is in the box."""
    for line in lines:
        x, y = (line.left + line.right) / 2, (line.top + line.bottom) / 2
        if box[0] <= x < box[2] and box[1] <= y < box[3]:
            yield line


def _is_plain(area: Grey) -> bool:
    levels = np.bincount(area.ravel() // _LEVELS, minlength=256 // _LEVELS)
    neighbours = levels[:-1] + levels[1:]
    return bool(neighbours.max() > _PLAIN * area.size)
