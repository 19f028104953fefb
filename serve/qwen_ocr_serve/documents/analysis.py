"""What stands where on a page, and the pictures of its pieces."""

import io
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
from PIL import Image

from qwen_ocr.families import Family
from qwen_ocr_serve.documents import pieces
from qwen_ocr_serve.documents.columns import Row, in_reading_order, rows_of
from qwen_ocr_serve.documents.figures import insert_figures
from qwen_ocr_serve.documents.ink import Grey, find_ink
from qwen_ocr_serve.documents.layout import Block, Layout, Piece
from qwen_ocr_serve.documents.lines import Box, Ink, extent, find_lines
from qwen_ocr_serve.documents.margins import mark_margins
from qwen_ocr_serve.documents.orientation import find_turn
from qwen_ocr_serve.documents.photos import find_photos, inside
from qwen_ocr_serve.documents.tables import Part, divide
from qwen_ocr_serve.documents.upright import make_upright
from qwen_ocr_serve.documents.vertical import are_vertical, is_vertical

_PARAGRAPH_GAP = 1.1
"""In heights of type, from which on the next line begins another block."""
_OTHER_SIZE = 1.45
"""So many times as high, type belongs to another block."""
_TITLE = 1.2
"""So many times as high as the page's, the type of a title, at least."""
_HIGHEST_TITLE = 1.6
"""The same for a title of the first level."""
_TITLE_ROWS = 2
_FULL = 0.7
"""Part of a block's width that a line of running text fills, at least."""
_MARGIN = 0.6
"""Around a block that is read as a whole, in heights of type."""
_LEGIBLE = 8.0
"""Pixels of the height of type, at least, for a large model."""
_WIDE_GAP = 2.5
"""In heights of type: wider than between words."""


class AnalysedImage(NamedTuple):
    """A page as far as it is known without reading it."""

    layout: Layout
    pieces: list[bytes]
    """PNG files of the pieces that are to be read, in reading order."""
    figures: list[bytes]
    """JPEG files of its pictures, in reading order, if they were asked for."""


def turn(image: Image.Image, dpi: float, family: Family | None) -> AnalysedImage:
    """The page turned upright, in one piece, with its colours, as large as the family takes it."""
    turned = find_turn(np.asarray(image.convert("L")))
    page = image.convert("RGB").rotate(turned, expand=True)
    box = (0, 0, *page.size)
    block = Block("page", box, ((Piece(box),),), whole=True)
    layout = Layout(*page.size, dpi, turned, 0.0, (block,))
    return AnalysedImage(layout, [_png(_fitted(page, family))], [])


def cut_out(image: Image.Image, turned: int, boxes: Sequence[Box]) -> list[bytes]:
    """JPEG files of parts of a page, with boxes in pixels of what `turn` made of it."""
    page = image.convert("RGB").rotate(turned, expand=True)
    return [_jpeg(page.crop(_not_empty(box))) for box in boxes]


def _not_empty(box: Box) -> Box:
    left, top, right, bottom = box
    return left, top, max(right, left + 1), max(bottom, top + 1)


def analyse(image: Image.Image, dpi: float, *, figures: bool = False) -> AnalysedImage:
    """The blocks of a page, and the pictures of their pieces."""
    page = make_upright(image)
    found = _without_photos(find_lines(page.ink), page.grey)
    vertical = is_vertical(page.ink, found.height)
    images: list[bytes] = []
    height, width = page.grey.shape
    blocks = _blocks(found, (width, height), page.grey, images)
    layout = Layout(width, height, dpi, page.turned, page.skew, tuple(blocks), vertical=vertical)
    return AnalysedImage(layout, images, crops(page.coloured(), layout) if figures else [])


def analyse_blocks(
    image: Image.Image, dpi: float, family: Family | None, *, figures: bool = False
) -> AnalysedImage:
    """The blocks of a page, each in one piece with its colours, as large as the family takes it."""
    page = make_upright(image)
    found = _without_photos(find_lines(page.ink), page.grey)
    vertical = is_vertical(page.ink, found.height)
    height, width = page.grey.shape
    blocks = [block.in_one_piece() for block in _blocks(found, (width, height), None, [])]
    layout = Layout(width, height, dpi, page.turned, page.skew, tuple(blocks), vertical=vertical)
    coloured = page.coloured()
    images = [
        _png(_fitted(coloured.crop(_with_margin(block)), family)) for block in blocks if block.whole
    ]
    return AnalysedImage(layout, images, crops(coloured, layout) if figures else [])


def is_legible(image: Image.Image, family: Family) -> bool:
    """Whether the type of a page is still legible when the page is as large as the family takes."""
    width, _ = family.fit(image.size)
    if width == image.width:
        return True
    usual = find_lines(find_ink(np.asarray(image.convert("L")))).height
    return usual == 0 or usual * width / image.width >= _LEGIBLE


def _fitted(image: Image.Image, family: Family | None) -> Image.Image:
    size = image.size if family is None else family.fit(image.size)
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def _with_margin(block: Block) -> Box:
    left, top, right, bottom = block.box
    margin = round(_MARGIN * block.type_height)
    return max(0, left - margin), max(0, top - margin), right + margin, bottom + margin


def lay_out(found: Ink, size: tuple[int, int], dpi: float) -> Layout:
    """The layout of a page whose lines have their text already; `size` is in pixels.

    Vertical lines are left in the order that the PDF has them in.
    """
    vertical = are_vertical(found.lines)
    if vertical:
        lines = [(Piece(extent([line]), (), line.text),) for line in found.lines]
        blocks = [Block("text", extent(found.lines), tuple(lines), prose=False)]
    else:
        blocks = _blocks(found, size, None, [])
    return Layout(*size, dpi, 0, 0.0, tuple(blocks), text_layer=True, vertical=vertical)


def crops(page: Image.Image, layout: Layout) -> list[bytes]:
    """JPEG files of the pictures on an upright page."""
    return [_jpeg(page.crop(block.box)) for block in layout.blocks if block.kind == "image"]


def _without_photos(found: Ink, page: Grey) -> Ink:
    """The lines that are not in photos, and the photos among the pictures."""
    photos = find_photos(page, found.lines, found.height)
    noise = {id(line) for box in photos for line in inside(box, found.lines)}
    lines = [line for line in found.lines if id(line) not in noise]
    return Ink(lines, [*found.pictures, *photos], found.height)


def _blocks(
    found: Ink, size: tuple[int, int], page: Grey | None, images: list[bytes]
) -> list[Block]:
    """The blocks in reading order; pictures of their pieces go into `images`."""
    blocks: list[Block] = []
    neighbours = pieces.Neighbours(found.lines)
    for region in in_reading_order(found.lines, found.height):
        for part in divide(rows_of(region), found.height):
            groups = [part.rows] if part.columns else _paragraphs(part.rows)
            for rows in groups:
                read = tuple(_pieces(row, part, page, neighbours, images) for row in rows)
                blocks.append(_block(rows, read, found.tall, table=bool(part.columns)))
    return insert_figures(mark_margins(blocks, size, found), found.pictures, size)


def _block(
    rows: list[Row], read: tuple[tuple[Piece, ...], ...], usual: float, *, table: bool
) -> Block:
    box = extent(line for row in rows for line in row)
    height = float(np.median([_height(row) for row in rows]))
    tall = float(np.median([_tall(row) for row in rows]))
    if table:
        return Block("table", box, read, prose=False, type_height=tall)
    if tall >= _TITLE * usual and len(rows) <= _TITLE_ROWS:
        level = 1 if tall >= _HIGHEST_TITLE * usual else 2
        return Block("title", box, read, level=level, type_height=tall)
    return Block("text", box, read, prose=_is_prose(rows, box, height), type_height=tall)


def _pieces(
    row: Row,
    part: Part,
    page: Grey | None,
    neighbours: pieces.Neighbours,
    images: list[bytes],
) -> tuple[Piece, ...]:
    """The pieces of a row from the left."""
    found: list[Piece] = []
    for column, group in groupby(row, key=part.column_of):
        cell = list(group)
        if page is None:
            found += [Piece(extent([line]), line.letters, line.text, column) for line in cell]
            continue
        height = _height(cell)
        room = neighbours.room(cell)
        for piece in pieces.pieces_of(page.shape[1], cell, height):
            images.append(_png(pieces.picture(page, piece, room)))
            found.append(Piece(piece.box, piece.words, column=column))
    return tuple(found)


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


def _tall(row: Row) -> float:
    return float(np.median([line.tall for line in row]))


def _paragraphs(rows: list[Row]) -> Iterator[list[Row]]:
    block: list[Row] = []
    for row in rows:
        if block:
            above, here = _tall(block[-1]), _tall(row)
            gap = extent(row)[1] - extent(block[-1])[3]
            larger, smaller = max(above, here), min(above, here)
            if gap > _PARAGRAPH_GAP * larger or larger > _OTHER_SIZE * smaller:
                yield block
                block = []
        block.append(row)
    if block:
        yield block


def _png(image: Grey | Image.Image) -> bytes:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
