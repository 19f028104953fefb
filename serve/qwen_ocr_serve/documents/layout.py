"""What stands where on a page: its blocks in reading order, each in rows of pieces.

One process finds it and another one uses it, so it can be written as JSON.
"""

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import TypeAdapter

from qwen_ocr_serve.documents.lines import Box, Run

Found = Literal["text", "title", "table", "image", "header", "footer"]
Told = Literal["list", "equation", "code", "caption", "footnote"]
"""What only a model tells apart."""
Kind = Literal[Found, Told, "page"]
"""What a block is; `page` is all of a page that is read as a whole."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a row that is read at once."""

    box: Box
    """In pixels of the upright page."""
    words: tuple[Run, ...] = ()
    """The left and the right edge of each of its words, as far as the gaps tell them apart."""
    text: str | None = None
    """What it says, if the PDF itself does; None if it is to be read from its picture."""
    column: int = 0
    """In which column of a table it stands, from 0."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a title, a table or a picture."""

    kind: Kind
    box: Box
    """In pixels of the upright page."""
    rows: tuple[tuple[Piece, ...], ...] = ()
    prose: bool = True
    """Whether its rows are lines of running text, and not entries of a list or form."""
    level: int = 1
    """Of a title, from 1, the highest."""
    whole: bool = False
    """Whether its one piece is all of it, so that the model writes Markdown."""
    type_height: float = 0.0
    """Of its larger letters, in pixels; 0 where there are none."""

    def in_one_piece(self) -> "Block":
        """The same block, to be read as a whole; a picture, which is not read, as it is."""
        if not self.rows:
            return self
        return replace(self, rows=((Piece(self.box),),), whole=True)


@dataclass(frozen=True, slots=True)
class Layout:
    """A page, less its pixels."""

    width: int
    height: int
    """Of the page, upright, in pixels."""
    dpi: float
    """Pixels per inch, see `document.Document.dpi`."""
    turned: int
    """Degrees, counter-clockwise, by which it was turned: 0, 90, 180 or 270."""
    skew: float
    """Degrees, counter-clockwise, by which it was then turned to make its lines level."""
    blocks: tuple[Block, ...]
    """In reading order."""
    text_layer: bool = False
    """Whether the text comes from the PDF and was not read from the page's picture."""
    vertical: bool = False
    """Whether its lines run from top to bottom, in columns from the right."""


LAYOUT = TypeAdapter(Layout)
"""Writes a layout as JSON, and reads it again."""
