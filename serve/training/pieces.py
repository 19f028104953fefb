"""Pieces of lines, cut out of drawn pages by the code with which the server cuts pages.

Most of what the model is given are such pieces: a part of a line, close to its ink, with what
stands above and below left out, and with the wide gaps of tables shortened.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from qwen_ocr_serve.documents import pieces
from qwen_ocr_serve.documents.columns import in_reading_order, rows_of
from qwen_ocr_serve.documents.ink import Grey, find_ink
from qwen_ocr_serve.documents.lines import Box, find_lines
from training.page_drawing import draw_page, scan
from training.samples import TOKEN, Line, Sample, load_batch
from training.scripts import Script

STORED_PART = 0.12
"""Of the pages; a file of blocks counts as one, and has three times as many pieces."""
MOST_OF_BLOCK = 0.08
"""Part of a block's height up to which its type is no picture to `find_lines`."""


class PiecePool:
    """Pieces of random pages, handed out by size, as a batch holds images of one size.

    `stored` are the files of blocks drawn by a browser; a part of the pieces is cut out of these.
    """

    def __init__(self, script: Script, stored: Sequence[Path] = ()) -> None:
        self._script = script
        self._stored = stored
        self._waiting: dict[tuple[int, int], list[Sample]] = defaultdict(list)

    def take(self, rng: random.Random, work: float, *, strength: float) -> list[Sample]:
        """Pieces of one size that make up `work` tokens; draws pages until there are so many."""
        while True:
            for (rows, columns), samples in self._waiting.items():
                count = max(2, min(64, round(work / (rows * columns + 30))))
                if len(samples) >= count:
                    taken, self._waiting[rows, columns] = samples[:count], samples[count:]
                    return taken
            for page, lines in self._pages(rng, strength):
                for sample in cut_page(page, lines):
                    rows, columns = (side // TOKEN for side in sample.image.shape)
                    self._waiting[rows, columns].append(sample)

    def _pages(self, rng: random.Random, strength: float) -> Iterator[tuple[Grey, list[Line]]]:
        if not self._stored or rng.random() >= STORED_PART:
            yield draw_page(rng, self._script, strength=strength)
            return
        for block in load_batch(rng.choice(self._stored)):
            size = block.lines[0].height if block.lines else math.inf
            if size < MOST_OF_BLOCK * block.image.shape[0]:
                yield scan(rng, Image.fromarray(block.image), size, strength), block.lines


def cut_page(page: Grey, lines: Sequence[Line]) -> Iterator[Sample]:
    """The pieces of an upright page as the model is given them, with their characters' places.

    Without those that show parts of two lines of text beside each other, or none.
    """
    found = find_lines(find_ink(page))
    neighbours = pieces.Neighbours(found.lines)
    for region in in_reading_order(found.lines, found.height):
        for row in rows_of(region):
            height = float(np.median([line.height for line in row]))
            room = neighbours.room(row)
            for piece in pieces.pieces_of(page.shape[1], row, height):
                place = _place(piece, lines)
                if place is not None:
                    yield Sample(pieces.picture(page, piece, room), [place])


def _place(piece: pieces.Piece, lines: Sequence[Line]) -> Line | None:
    """The text of a piece, and where it stands in the picture; None if it is not of one line."""
    shown = [line for line in lines if _inside(line, piece.box).any()]
    if len(shown) != 1:
        return None
    (line,) = shown
    # The margins, too, show what the search for lines has left out, such as a colon.
    _, top, _, bottom = piece.box
    whole = piece.strips[0].left, top, piece.strips[-1].right, bottom
    inked = np.flatnonzero(_inside(line, whole))
    first, last = int(inked[0]), int(inked[-1]) + 1
    starts, ends, before, after = np.array(piece.strips, dtype=np.float64).T
    offsets = np.cumsum(before + np.append(0, (ends - starts + after)[:-1]))
    centres = ((line.edges[1:] + line.edges[:-1]) / 2)[first:last]
    kept = np.any((centres >= starts[:, None]) & (centres <= ends[:, None]), axis=0).tolist()
    text = line.text[first:last]
    if any(c != " " and not k for c, k in zip(text, kept, strict=True)):  # cut out
        return None
    knots = np.stack((starts, ends), axis=1).ravel()
    values = np.stack((offsets, offsets + ends - starts), axis=1).ravel()
    edges = np.interp(line.edges[first : last + 1], knots, values)
    across = piece.width / sum(strip.width for strip in piece.strips)
    down = pieces.HEIGHT / (piece.bottom - piece.top)
    y = (line.y[first : last + 1] - piece.top) * down
    return Line(text, edges * across, y, line.height * down)


def _inside(line: Line, box: Box) -> NDArray[np.bool_]:
    """Which characters with ink have their middle in a box."""
    left, top, right, bottom = box
    x = (line.edges[1:] + line.edges[:-1]) / 2
    y = (line.y[1:] + line.y[:-1]) / 2
    inked = np.array([character != " " for character in line.text])
    found: NDArray[np.bool_] = inked & (x > left) & (x < right) & (y > top) & (y < bottom)
    return found
