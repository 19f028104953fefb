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
_TYPE = 3.0
"""Heights of type that each side has, at least: on a small part of a page, letters are large."""
_FILLED = 0.7
"""Part of its box that a photo fills, at least."""
_PLAIN = 0.4
"""Part of an area that has nearly one colour, from which on it is a panel."""
_LEVELS = 8
"""Of 255, that count as nearly one colour."""
_LINES = 3
"""Lines of type in the shade, at least."""
_LETTERS = 5


def find_photos(page: Grey, lines: Sequence[Line], type_height: float) -> list[Box]:
    """The boxes of photos on an upright page, whose lines of type are known."""
    height, width = page.shape
    cell = max(4, min(page.shape) // _CELLS)
    paper = int(cv2.calcHist([page], [0], None, [256], [0, 256]).argmax())
    difference = cv2.absdiff(page, np.full_like(page, paper))
    _, other = cv2.threshold(difference, _DIFFERENCE, 255, cv2.THRESH_BINARY)
    size = (max(1, width // cell), max(1, height // cell))
    covered = cv2.resize(other, size, interpolation=cv2.INTER_AREA)
    mask = (covered > 255 * _COVERED).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    least = _SIDE * min(size)
    across, down = width / size[0], height / size[1]
    photos = []
    for left, top, wide, high, area in stats[1:].tolist():
        box = (
            round(left * across),
            round(top * down),
            round((left + wide) * across),
            round((top + high) * down),
        )
        shortest = min(box[2] - box[0], box[3] - box[1])
        large = min(wide, high) >= least and shortest >= _TYPE * type_height
        if not large or area < _FILLED * wide * high:
            continue
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
