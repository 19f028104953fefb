"""What stands where on a page: turned upright, in blocks in reading order, cut into pieces."""

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from qwen_ocr_serve.documents import pieces
from qwen_ocr_serve.documents.columns import Row, in_reading_order, rows_of
from qwen_ocr_serve.documents.ink import Grey, find_ink, find_skew
from qwen_ocr_serve.documents.lines import Box, extent, find_lines
from qwen_ocr_serve.documents.orientation import find_turn

_LEAST_SKEW = 0.25
"""Degrees: a model reads lines that are less askew as well as level ones."""
_PARAGRAPH_GAP = 1.1
"""In heights of type, from which on the next line begins another block."""
_OTHER_SIZE = 1.45
"""So many times as high, type belongs to another block."""
_TITLE = 1.2
"""So many times as high as the page's, the type of a title, at least."""
_TITLE_ROWS = 2
_FULL = 0.7
"""Part of a block's width that a line of running text fills, at least."""
_WIDE_GAP = 2.5
"""In heights of type: wider than between words."""
_PICTURE_SIDE = 0.04
"""Part of the page's shorter side below which a picture is a speck."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a title or a picture."""

    kind: str
    """`text`, `title`, `image`, or `page` for all of it."""
    box: Box
    """In pixels of the upright page."""
    rows: tuple[int, ...]
    """How many pieces each of its rows has."""
    prose: bool = True
    """Whether its rows are lines of running text, and not entries of a list or table."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A page, less its pixels."""

    width: int
    height: int
    """Of the page, upright, in pixels."""
    turned: int
    """Degrees, counter-clockwise, by which it was turned: 0, 90, 180 or 270."""
    skew: float
    """Degrees by which it was then turned to make its lines level."""
    blocks: tuple[Block, ...]
    """In reading order."""

    def as_json(self) -> dict[str, Any]:
        """For `from_json`, in another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Analysis":
        """What `as_json` gave."""
        blocks = tuple(
            Block(**{**block, "box": tuple(block["box"]), "rows": tuple(block["rows"])})
            for block in content["blocks"]
        )
        return cls(**{**content, "blocks": blocks})


def upright(image: Image.Image) -> tuple[Grey, int, float]:
    """The page in grey, upright and level, and the degrees by which it was turned for each."""
    grey = np.asarray(image.convert("L"))
    turned = find_turn(grey)
    grey = np.ascontiguousarray(np.rot90(grey, turned // 90))
    skew = find_skew(find_ink(grey))
    if abs(skew) < _LEAST_SKEW:
        return grey, turned, 0.0
    border = np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))
    level = Image.fromarray(grey).rotate(
        skew, Image.Resampling.BICUBIC, fillcolor=int(np.median(border))
    )
    return np.asarray(level), turned, skew


def turn(image: Image.Image) -> tuple[Analysis, list[bytes]]:
    """The page turned upright, in one piece, with its colours."""
    turned = find_turn(np.asarray(image.convert("L")))
    page = image.convert("RGB").rotate(turned, expand=True)
    buffer = io.BytesIO()
    page.save(buffer, "PNG", compress_level=1)
    block = Block("page", (0, 0, *page.size), (1,), prose=False)
    return Analysis(*page.size, turned, 0.0, (block,)), [buffer.getvalue()]


def analyse(image: Image.Image) -> tuple[Analysis, list[bytes]]:
    """The blocks of a page, and the pieces of their rows as PNG files, in reading order."""
    page, turned, skew = upright(image)
    found = find_lines(find_ink(page))
    blocks: list[Block] = []
    images: list[bytes] = []
    for region in in_reading_order(found.lines, found.height):
        for rows in _paragraphs(rows_of(region)):
            counts = []
            for row in rows:
                height = _height(row)
                words = pieces.cut(row, height)
                counts.append(len(words))
                for number in range(len(words)):
                    piece, _ = pieces.picture(page, row, words, number, height)
                    images.append(_png(piece))
            height = float(np.median([_height(row) for row in rows]))
            title = height >= _TITLE * found.height and len(rows) <= _TITLE_ROWS
            box = extent(line for row in rows for line in row)
            kind = "title" if title else "text"
            blocks.append(Block(kind, box, tuple(counts), _is_prose(rows, box, height)))
    least = _PICTURE_SIDE * min(page.shape)
    for box in found.pictures:
        if min(box[2] - box[0], box[3] - box[1]) >= least:
            _insert(blocks, Block("image", box, ()))
    height_, width = page.shape
    return Analysis(width, height_, turned, skew, tuple(blocks)), images


def _is_prose(rows: list[Row], box: Box, height: float) -> bool:
    """Whether the rows, but for the last, are full from edge to edge, without wide gaps."""
    left, _, right, _ = box
    for row in rows[:-1]:
        letters = sorted(letter for line in row for letter in line.letters)
        gaps = [b[0] - a[1] for a, b in pairwise(letters)]
        white = sum(gap for gap in gaps if gap > _WIDE_GAP * height)
        if row[-1].right - row[0].left - white < _FULL * (right - left):
            return False
    return True


def _height(row: Row) -> float:
    return float(np.median([line.height for line in row]))


def _paragraphs(rows: list[Row]) -> Iterator[list[Row]]:
    block: list[Row] = []
    for row in rows:
        if block:
            above, here = _height(block[-1]), _height(row)
            gap = extent(row)[1] - extent(block[-1])[3]
            larger, smaller = max(above, here), min(above, here)
            if gap > _PARAGRAPH_GAP * larger or larger > _OTHER_SIZE * smaller:
                yield block
                block = []
        block.append(row)
    if block:
        yield block


def _insert(blocks: list[Block], picture: Block) -> None:
    """Put a picture before the first block that is below its top and not beside it."""
    left, top, right, _ = picture.box
    for place, block in enumerate(blocks):
        first, upper, last, _ = block.box
        if upper >= top and first < right and last > left:
            blocks.insert(place, picture)
            return
    blocks.append(picture)


def _png(image: Grey) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
