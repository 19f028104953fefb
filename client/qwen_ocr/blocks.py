"""Blocks of a page as a model names them, in our own names, and their Markdown."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from qwen_ocr.spacing import join_lines

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in the coordinates of the model that wrote them."""

KINDS: Final = (
    *("title", "text", "list", "table", "equation", "code", "image"),
    *("caption", "footnote", "header", "footer"),
)
"""What a block can be."""

_NAMES: Final = {
    "title": ("title", "doc_title", "section", "section_header"),
    "list": ("list", "list_item", "list_group", "table_of_contents", "bibliography"),
    "table": ("table",),
    "equation": ("equation", "equation_block", "formula"),
    "code": ("code", "code_block"),
    "image": ("image", "picture", "figure", "diagram", "chart"),
    "caption": ("caption", "figure_caption", "table_caption", "formula_caption"),
    "footnote": ("footnote", "page_footnote", "figure_footnote", "table_footnote"),
    "header": ("header", "page_header"),
    "footer": ("footer", "page_footer", "page_number"),
}
_KIND_OF: Final = {name: kind for kind, names in _NAMES.items() for name in names}
_OPENINGS: Final = ("$", "\\[", "\\(")


class Block(NamedTuple):
    """A part of a page."""

    kind: str
    """One of `KINDS`."""
    text: str
    """In Markdown; of a picture, its description, or the data of a chart."""
    box: Box | None = None
    continues: bool = False
    """Whether its text goes on from the block before it, as a paragraph does in the next column."""


class Parsed(NamedTuple):
    """What an answer says."""

    markdown: str
    blocks: tuple[Block, ...] = ()
    """In reading order; empty when the model wrote text alone."""
    turned: int = 0
    """Degrees by which the page has to be turned clockwise to be upright, as the model says."""
    understood: bool = True
    """False for an answer not in the form that the model was taught, which is left as it is."""


def kind_of(label: str) -> str:
    """Our name for what a model calls a block: `List-Group` is a list, what is unknown is text."""
    return _KIND_OF.get(label.strip().lower().replace("-", "_").replace(" ", "_"), "text")


def to_markdown(blocks: Iterable[Block]) -> str:
    """The Markdown of a page, an empty line between blocks."""
    parts: list[str] = []
    for block in blocks:
        text = _markdown_of(block)
        if text and block.continues and parts:
            parts[-1] = join_lines([parts[-1], text])
        elif text:
            parts.append(text)
    return "\n\n".join(parts)


def _markdown_of(block: Block) -> str:
    text = block.text.strip()
    if block.kind == "image":
        if "\n" in text or text.startswith(("<", "!")):
            return text  # the data of a chart, or a picture already
        return f"![{picture_text(text)}]()" if text else ""
    if block.kind == "equation" and text and not text.startswith(_OPENINGS):
        return f"$$\n{text}\n$$"
    return text


def picture_text(text: str) -> str:
    """A description as it may stand in the brackets of a picture in Markdown."""
    return re.sub(r"[\[\]\s]+", " ", text).strip()
