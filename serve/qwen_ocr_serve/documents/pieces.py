"""Lines of type cut into pieces that a small model reads well.

The bundled model loses its place in long lines and wide tables: it goes on after another copy of
the same words. So a line is cut between words, wide gaps in it are shortened, and its type gets the
height that the model reads best.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from qwen_ocr_serve.documents.columns import Row
from qwen_ocr_serve.documents.ink import Grey
from qwen_ocr_serve.documents.lines import Box, Run, extent

TYPE_HEIGHT = 18.0
"""Pixels that the type of a piece is high."""
_WIDTH = 24.0
"""The widest piece, in heights of type: some 45 characters."""
WORD_GAP = 0.28
"""Gap between two words, in heights of type, at least."""
_WIDEST_GAP = 1.4
"""Wider gaps are shortened to this."""
_MARGIN = 0.45
_LEAST_SIDE = 32
"""Pixels of a piece's sides, at least."""


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


def picture(
    page: Grey, row: Row, pieces: Sequence[list[Run]], number: int, height: float
) -> tuple[Grey, Box]:
    """One of the pieces of a row as an image with margins, and where its ink is on the page."""
    words = pieces[number]
    _, highest, _, lowest = extent(row)
    margin, gap = round(_MARGIN * height) + 2, round(_WIDEST_GAP * height / 2)
    top, bottom = max(0, highest - margin), min(page.shape[0], lowest + margin)
    around = [word for piece in pieces for word in piece]
    parts = []
    strips = _strips(words, _WIDEST_GAP * height)
    for place, (left, right) in enumerate(strips):
        # Up to the middle of the gap to the next word, and no letter of that.
        before = max((b for _, b in around if b <= left), default=left - 2 * margin)
        after = min((a for a, _ in around if a >= right), default=right + 2 * margin)
        start = max(0, left - margin, (before + left) // 2)
        end = min(page.shape[1], right + margin, (after + right) // 2 + 1)
        strip = page[top:bottom, start:end]
        paper = int(np.median(np.concatenate((strip[:2].ravel(), strip[-2:].ravel()))))
        more_left = (gap if place else margin) - (left - start)
        more_right = (gap if place < len(strips) - 1 else margin) - (end - right)
        widths = ((0, 0), (max(0, more_left), max(0, more_right)))
        parts.append(np.pad(strip, widths, constant_values=paper))
    image = np.concatenate(parts, axis=1)
    scale = TYPE_HEIGHT / height
    size = tuple(max(_LEAST_SIDE, round(side * scale)) for side in image.shape[::-1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = np.asarray(cv2.resize(image, size, interpolation=method), dtype=np.uint8)
    return scaled, (words[0][0], highest, words[-1][1], lowest)


def _strips(words: Sequence[Run], widest: float) -> list[Run]:
    """Words that stand together, each as one strip."""
    strips = [words[0]]
    for left, right in words[1:]:
        if left - strips[-1][1] > widest:
            strips.append((left, right))
        else:
            strips[-1] = (strips[-1][0], max(strips[-1][1], right))
    return strips
