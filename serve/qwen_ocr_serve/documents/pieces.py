"""Lines of type cut into pieces, which are what the bundled model reads.

A small model loses its place in long lines and wide tables: it goes on after another copy of the
same words. So a line is cut between words, and wide gaps in it are shortened. Each piece becomes a
picture of one height: two rows of the model's visual tokens, as few as its type is legible in.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from qwen_ocr.families import family_of
from qwen_ocr_serve.documents.columns import Row
from qwen_ocr_serve.documents.ink import Grey
from qwen_ocr_serve.documents.lines import Box, Line, Run, extent

_READER = family_of("mini")
HEIGHT = _READER.line_height
"""Pixels of a picture's height."""
SQUARE = _READER.factor
"""Pixels: what a picture's width is a multiple of, so that the model's processor resizes none."""
_TYPE_HEIGHT = 21.0
"""Pixels that the type of a picture is high, if letters that reach far up and down have room."""
_EDGE = 2
"""Pixels above and below all ink, at least."""
_WIDTH = 44.0
"""The widest piece, in heights of type: some 80 characters."""
WORD_GAP = 0.28
"""Gap between two words, in heights of type, at least."""
_WIDEST_GAP = 1.4
"""Wider gaps are shortened to this."""
_MARGIN = 0.25
"""Paper beside the outer words, in heights of type."""
_FAR = 1_000_000
"""Pixels: below every page."""


def cut(row: Row, height: float) -> list[list[Run]]:
    """The words of a row in pieces, each a list of words, whose type is `height` pixels high."""
    words: list[Run] = []
    for line in row:
        for left, right in line.letters:
            if words and left - words[-1][1] < WORD_GAP * height:
                words[-1] = (words[-1][0], max(words[-1][1], right))
            else:
                words.append((left, right))
    return _halved(words, height)


def _halved(words: list[Run], height: float) -> list[list[Run]]:
    """Words cut at the widest gap near where equal pieces would end, until they are short."""
    gaps = [min(b[0] - a[1], _WIDEST_GAP * height) for a, b in pairwise(words)]
    width = sum(right - left for left, right in words) + sum(gaps)
    count = math.ceil(width / (_WIDTH * height))
    if count < 2 or len(words) < 2:
        return [words]
    share = width / count
    best, place, at = -math.inf, 0, 0.0
    for number, ((left, right), gap) in enumerate(zip(words, gaps, strict=False)):
        at += right - left
        end = share * min(max(round(at / share), 1), count - 1)
        score = gap / height - 4 * count * abs(at - end) / width
        if score > best:
            best, place = score, number + 1
        at += gap
    return [*_halved(words[:place], height), *_halved(words[place:], height)]


class Neighbours:
    """The lines above and below others, whose ink is no part of the pictures of these."""

    def __init__(self, lines: Sequence[Line]) -> None:
        boxes = [(line.left, line.top, line.right, line.bottom) for line in lines]
        self._boxes = np.array(boxes, dtype=np.int64).reshape(-1, 4)

    def room(self, row: Row) -> Run:
        """The top and the bottom of what belongs to a row: half of the gap to the next ones, in
        pixels."""
        left, top, right, bottom = extent(row)
        lefts, tops, rights, bottoms = self._boxes.T
        beside = (lefts < right) & (rights > left)
        middle, middles = (top + bottom) / 2, (tops + bottoms) / 2
        # Of lines that touch, letters reach into each other.
        above = bottoms[beside & (middles < top)]
        below = tops[beside & (middles > bottom)]
        highest = (int(above.max()) + top) // 2 if len(above) else 0
        lowest = -((int(below.min()) + bottom) // -2) if len(below) else _FAR
        kept = int(middle)  # a row of pixels, where lines from both sides reach over this one
        return min(highest, kept), max(lowest, kept + 1)


class Strip(NamedTuple):
    """Columns of a page, and how many columns of paper stand beside them in the picture."""

    left: int
    right: int
    before: int
    after: int

    @property
    def width(self) -> int:
        """Columns in all."""
        return self.before + self.right - self.left + self.after


class Piece(NamedTuple):
    """Words of a row, and where the picture of them is taken from, in pixels of the page."""

    words: tuple[Run, ...]
    box: Box
    """Of the words' ink, as high as that of the row."""
    strips: tuple[Strip, ...]
    top: int
    bottom: int
    """May be beyond the page."""
    width: int
    """Of the picture, but for paper up to the next multiple of `SQUARE`."""


def pieces_of(page_width: int, row: Row, height: float) -> list[Piece]:
    """The pieces of a row whose type is `height` pixels high, from the left."""
    _, highest, _, lowest = extent(row)
    scale = min(_TYPE_HEIGHT / height, (HEIGHT - 2 * _EDGE) / (lowest - highest))
    tall = round(HEIGHT / scale)
    top = (highest + lowest - tall) // 2
    parts = cut(row, height)
    around = [word for part in parts for word in part]
    found = []
    for words in parts:
        strips = _strips(words, around, page_width, height)
        width = round(sum(strip.width for strip in strips) * HEIGHT / tall)
        box = words[0][0], highest, words[-1][1], lowest
        found.append(Piece(tuple(words), box, tuple(strips), top, top + tall, max(HEIGHT, width)))
    return found


def picture(page: Grey, piece: Piece, room: Run) -> Grey:
    """The picture of a piece; nothing beyond `room`, a top and a bottom in pixels, is in it."""
    top, bottom = max(0, piece.top, room[0]), min(page.shape[0], piece.bottom, room[1])
    rows = top - piece.top, piece.bottom - bottom
    parts = []
    for strip in piece.strips:
        shown = page[top:bottom, strip.left : strip.right]
        paper = int(np.median(np.concatenate((shown[:2].ravel(), shown[-2:].ravel()))))
        parts.append(np.pad(shown, (rows, (strip.before, strip.after)), constant_values=paper))
    image = np.concatenate(parts, axis=1)
    method = cv2.INTER_AREA if image.shape[0] > HEIGHT else cv2.INTER_CUBIC
    scaled = cv2.resize(image, (piece.width, HEIGHT), interpolation=method)
    missing = -piece.width % SQUARE
    return np.pad(scaled, ((0, 0), (0, missing)), constant_values=paper).astype(np.uint8)


def _strips(
    words: Sequence[Run], around: Sequence[Run], page_width: int, height: float
) -> list[Strip]:
    """What is shown of a row for some of its words, of which `around` are all."""
    margin, gap = round(_MARGIN * height) + 2, round(_WIDEST_GAP * height / 2)
    strips = []
    together = _joined(words, _WIDEST_GAP * height)
    for place, (left, right) in enumerate(together):
        # Up to the middle of the gap to the next word, and no letter of that.
        before = max((b for _, b in around if b <= left), default=left - 2 * margin)
        after = min((a for a, _ in around if a >= right), default=right + 2 * margin)
        start = max(0, left - margin, (before + left) // 2)
        end = min(page_width, right + margin, (after + right) // 2 + 1)
        more_left = (gap if place else margin) - (left - start)
        more_right = (gap if place < len(together) - 1 else margin) - (end - right)
        strips.append(Strip(start, end, max(0, more_left), max(0, more_right)))
    return strips


def _joined(words: Sequence[Run], widest: float) -> list[Run]:
    """Words that stand together, each as one."""
    strips = [words[0]]
    for left, right in words[1:]:
        if left - strips[-1][1] > widest:
            strips.append((left, right))
        else:
            strips[-1] = (strips[-1][0], max(strips[-1][1], right))
    return strips
