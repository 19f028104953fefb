"""What comes back about a document: its pages, with what stands where on them.

Boxes are left, top, right and bottom, in pixels of the page as the server had it: upright, and made
level if it was askew. `Page.turned` and `Page.skew` say what was done to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from qwen_ocr.errors import OCRError
from qwen_ocr.results import Word
from qwen_ocr.spacing import join_row

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, or a part of one."""

    text: str
    box: Box
    words: tuple[tuple[int, int], ...] = ()
    """The left and the right edge of each word in pixels, as the white between them tells; not
    always as many as the text has words."""
    confidence: tuple[float, ...] = ()
    """Of each word of the text, 0 to 1; empty where they are not known."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a title, a table, a picture, a header or a footer."""

    kind: str
    """`text`, `title`, `table`, `image`, `header`, `footer`; other servers may have more."""
    markdown: str
    box: Box
    lines: tuple[Line, ...] = ()
    """In reading order; where the model reads a page as a whole, one with all of its text."""

    @property
    def rows(self) -> tuple[tuple[Line, ...], ...]:
        """The lines, with those together that stand side by side: parts of a long line, cells."""
        rows: list[tuple[Line, ...]] = []
        for line in self.lines:
            if rows and _beside(rows[-1][-1].box, line.box):
                rows[-1] += (line,)
            else:
                rows.append((line,))
        return tuple(rows)


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture on a page."""

    id: str
    """What the Markdown calls it, a file's name."""
    box: Box
    data: bytes | None = field(default=None, repr=False)
    """Its JPEG file, if figures were asked for."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page, read or not; `str(page)` is its Markdown."""

    number: int
    """From 1."""
    markdown: str = ""
    width: int = 0
    height: int = 0
    """In pixels; 0 for a page that could not be opened."""
    dpi: int = 0
    """Pixels per inch; 72 for an image that does not say."""
    blocks: tuple[Block, ...] = ()
    """In reading order, if blocks were asked for."""
    figures: tuple[Figure, ...] = ()
    words: tuple[Word, ...] = ()
    """With the model's confidence in each, if it was asked for."""
    confidence: float | None = None
    """The model's confidence in the page, 0 to 1; None where it read no words."""
    warnings: tuple[str, ...] = ()
    """Why the text is doubtful: keys of `qwen_ocr.WARNINGS`."""
    turned: int = 0
    """Degrees, counter-clockwise, by which the server turned the page upright."""
    skew: float = 0.0
    """Degrees, counter-clockwise, by which it then made the page level."""
    text_layer: bool = False
    """Whether the text is the PDF's own and was not read from the page's picture."""
    error: OCRError | None = None
    """Why the page could not be read, if it could not."""

    @property
    def text(self) -> str:
        """The rows of all blocks, with an empty line between blocks; Markdown without blocks."""
        parts = (
            "\n".join(join_row((line.text, line.box) for line in row) for row in block.rows)
            for block in self.blocks
        )
        return _joined(parts) or self.markdown

    def __str__(self) -> str:
        return self.markdown


@dataclass(frozen=True, slots=True)
class Document:
    """The pages that were asked for, in order; `str(document)` is its Markdown."""

    pages: tuple[Page, ...]

    @property
    def markdown(self) -> str:
        """The Markdown of all pages, with an empty line between them."""
        return _joined(page.markdown for page in self.pages)

    @property
    def text(self) -> str:
        """The text of all pages, with an empty line between them."""
        return _joined(page.text for page in self.pages)

    @property
    def failed(self) -> tuple[Page, ...]:
        """The pages that could not be read: their text is missing above."""
        return tuple(page for page in self.pages if page.error)

    @property
    def flagged(self) -> tuple[Page, ...]:
        """The pages that were read and have `warnings`."""
        return tuple(page for page in self.pages if page.warnings)

    def __str__(self) -> str:
        return self.markdown


def _beside(left: Box, right: Box) -> bool:
    """Whether the second box stands right of the first one and at the same height."""
    shared = min(left[3], right[3]) - max(left[1], right[1])
    return right[0] >= left[2] and 2 * shared > min(left[3] - left[1], right[3] - right[1])


def _joined(texts: Iterable[str]) -> str:
    return "\n\n".join(filter(None, texts))
