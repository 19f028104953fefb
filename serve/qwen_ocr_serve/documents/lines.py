"""Lines of type, found from the ink alone.

Connected pieces of ink are letters or parts of them. Letters that stand side by side make a line;
what is far larger is a picture, what is long and thin is a rule.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from qwen_ocr_serve.documents.ink import Mask

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""
Run = tuple[int, int]
"""The left and the right edge of some ink."""

_SMALLEST = 4
"""Pixels: the height from which on something can be a letter."""
_RULE = 8
"""A rule is so many times as long as it is thick, at least."""
_RULE_LENGTH, _RULE_WIDTH = 60, 12
_PICTURE_HEIGHT, _PICTURE_WIDTH = 0.08, 0.3
"""Parts of the page from which on a connected piece of ink is no letter."""
_PICTURE_LETTERS = 3.0
"""Height of a picture in those of the usual connected piece of ink, at least."""
_PICTURE_INK = 0.15
"""Part of its box that a picture fills, at least; a frame around text fills less."""
_LINK = 1.7
"""Widest gap between two letters of a line, in heights of type."""
_LETTER = 0.6
"""Height of a letter that stands alone, in heights of type, at least."""


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of a line of type without a wide gap in it."""

    left: int
    top: int
    right: int
    bottom: int
    height: float
    """Of its larger letters, in pixels."""
    tall: float
    """Of its tallest letters, which tells sizes of type apart: a line with few tall letters has
    less `height` than others of the same type."""
    letters: tuple[Run, ...]
    """Of all its ink, from the left."""
    text: str | None = None
    """What it says, if that is known already; `letters` are whole words then."""


class Ink(NamedTuple):
    """What stands on a page."""

    lines: list[Line]
    pictures: list[Box]
    height: float
    """The usual height of type in pixels; 0 where there is none."""

    @property
    def tall(self) -> float:
        """The usual height of the tallest letters of a line, in pixels; 0 where there is none."""
        return float(np.median([line.tall for line in self.lines])) if self.lines else 0.0


def extent(lines: Iterable[Line]) -> Box:
    """The box around lines, of which there is at least one."""
    boxes = [(line.left, line.top, line.right, line.bottom) for line in lines]
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def find_lines(ink: Mask) -> Ink:
    """The lines of type on a page, in no order, and its pictures."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    pieces = np.asarray(stats[1:], dtype=np.int64)
    x, y, width, height, area = pieces.T
    page_height, page_width = ink.shape
    rule = (width > _RULE * height) & (height < _RULE_WIDTH) & (width > _RULE_LENGTH)
    rule |= (height > _RULE * width) & (width < _RULE_WIDTH) & (height > _RULE_LENGTH)
    solid = height[(area >= _SMALLEST) & ~rule & (height >= _SMALLEST)]
    # On a label or a poster, letters take as much of the page as pictures do elsewhere.
    letter = float(np.median(solid)) if len(solid) else 0.0
    large = height > max(_PICTURE_HEIGHT * page_height, _PICTURE_LETTERS * letter)
    large |= width > max(_PICTURE_WIDTH * page_width, 2 * _PICTURE_LETTERS * letter)
    letters = (area >= _SMALLEST) & ~rule & ~large & (height >= _SMALLEST)
    if not letters.any():
        return Ink([], _pictures(pieces[large & ~rule]), 0.0)
    heights = height[letters]
    usual = float(np.median(heights[heights >= np.percentile(heights, 30)]))
    pictures = _pictures(pieces[large & ~rule])
    kept = (area >= _SMALLEST) & ~rule & (height <= 5 * usual) & (width <= 25 * usual)
    for left, top, right, bottom in pictures:
        inside = (x >= left) & (y >= top) & (x + width <= right) & (y + height <= bottom)
        kept &= ~inside
    main = np.flatnonzero(kept & (height >= 0.5 * usual))
    small = np.flatnonzero(kept & (height < 0.5 * usual)).tolist()
    groups = _linked(pieces, main, usual)
    whole = [group for group in groups if len(group) > 1]
    alone = [group[0] for group in groups if len(group) == 1]
    for rest in (alone, small):  # what is small may belong to a letter that stands alone
        _attach(pieces, whole, rest, usual)
    lines = [_line(pieces[group]) for group in whole]
    if lines:
        usual = float(np.median([line.height for line in lines]))
    return Ink(lines, pictures, usual)


def _pictures(pieces: NDArray[np.int64]) -> list[Box]:
    filled = pieces[:, 4] > _PICTURE_INK * pieces[:, 2] * pieces[:, 3]
    return [
        (int(x), int(y), int(x + width), int(y + height))
        for x, y, width, height, _ in pieces[filled]
    ]


def _linked(pieces: NDArray[np.int64], chosen: NDArray[np.int64], usual: float) -> list[list[int]]:
    """The chosen pieces in groups, each what stands side by side in a line."""
    x, y, width, height, _ = pieces.T
    order = chosen[np.argsort(x[chosen], kind="stable")]
    starts = x[order]
    parent = {int(piece): int(piece) for piece in chosen}

    def root(piece: int) -> int:
        while parent[piece] != piece:
            parent[piece] = parent[parent[piece]]
            piece = parent[piece]
        return piece

    for place, piece in enumerate(order.tolist()):
        right = x[piece] + width[piece]
        reach = right + _LINK * max(height[piece], 0.7 * usual)
        others = order[place + 1 : np.searchsorted(starts, reach, side="right")]
        if not len(others):
            continue
        top = np.maximum(y[others], y[piece])
        bottom = np.minimum(y[others] + height[others], y[piece] + height[piece])
        lower = np.minimum(height[others], height[piece])
        higher = np.maximum(height[others], height[piece])
        beside = (bottom - top > 0.5 * lower) & (higher < 3.2 * lower)
        near = others[beside]
        for other in near[np.argsort(x[near] - right)][:2].tolist():
            parent[root(other)] = root(piece)
    groups = defaultdict(list)
    for piece in chosen.tolist():
        groups[root(piece)].append(piece)
    return list(groups.values())


def _attach(
    pieces: NDArray[np.int64], groups: list[list[int]], rest: Sequence[int], usual: float
) -> None:
    """Give dots, accents, commas and single letters to the lines that they belong to.

    What is far from every line and high enough to be a letter becomes a line of its own.
    """
    x, y, width, height, _ = pieces.T
    edges = [_edges(pieces[group]) for group in groups]
    boxes = np.array(edges, dtype=np.float64).reshape(-1, 4)
    type_heights = np.array([np.percentile(height[group], 75) for group in groups])
    for piece in rest:
        right, bottom = x[piece] + width[piece], y[piece] + height[piece]
        if len(boxes):
            across = np.maximum(np.maximum(boxes[:, 0] - right, x[piece] - boxes[:, 2]), 0)
            down = np.maximum(np.maximum(boxes[:, 1] - bottom, y[piece] - boxes[:, 3]), 0)
            distance = across / (0.8 * type_heights) + down / (0.35 * type_heights)
            if height[piece] >= _LETTER * usual:  # no part of a letter in the line above or below
                distance[down > 0] = np.inf
            nearest = int(np.argmin(distance))
            if distance[nearest] <= 1.2:
                groups[nearest].append(piece)
                continue
        if _LETTER * usual <= height[piece] < 3 * usual:
            groups.append([piece])


def _edges(pieces: NDArray[np.int64]) -> Box:
    x, y, width, height, _ = pieces.T
    return int(x.min()), int(y.min()), int((x + width).max()), int((y + height).max())


def _line(pieces: NDArray[np.int64]) -> Line:
    letters = sorted((int(x), int(x + width)) for x, _, width, _, _ in pieces)
    heights = pieces[:, 3]
    large = heights[heights >= 0.5 * heights.max()]
    height, tall = np.percentile(large, (75, 95))
    return Line(*_edges(pieces), float(height), float(tall), tuple(letters))
