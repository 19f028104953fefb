"""Where the text of a page stands, word by word, and on the page as it is displayed.

A server turns a page upright and makes it level before it reads it, and its boxes are of that page.
Files that stand beside the document need boxes of the page that people see.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, islice, pairwise
from math import cos, radians, sin
from typing import NamedTuple

from qwen_ocr.documents import Block, Box, Line, Page
from qwen_ocr.spacing import gap_between, set_width, words

Matrix = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f as PDF writes them: (x, y) becomes (ax + cy + e, bx + dy + f)."""


class PlacedWord(NamedTuple):
    """A word of a row."""

    text: str
    box: Box | None
    """None where nothing is known but the row's box."""
    confidence: float | None
    joint: str = " "
    """What comes between it and the next word of its row: a space, or nothing within Chinese."""


class PlacedRow(NamedTuple):
    """A line of text from its left to its right end, with one word at least."""

    box: Box
    """Around it; several rows have the same one where nothing more is known."""
    words: tuple[PlacedWord, ...]


def blocks_of(page: Page) -> tuple[Block, ...]:
    """The blocks of a page; all of its text as one where the server sent none."""
    if page.blocks or not page.markdown:
        return page.blocks
    return (Block("text", page.markdown, (0, 0, page.width, page.height)),)


def rows_of(block: Block) -> Iterator[PlacedRow]:
    """The rows of a block that have words, from its top."""
    if not block.lines and block.kind != "image":
        yield from _spread(Line(block.markdown, block.box))
    for row in block.rows:
        if "\n" in row[0].text.strip():
            yield from _spread(row[0])
        elif found := _words_of_row(row):
            yield PlacedRow(around([line.box for line in row]), found)


def _words_of_row(row: Sequence[Line]) -> tuple[PlacedWord, ...]:
    """The words of lines that stand side by side."""
    found: list[PlacedWord] = []
    for line in row:
        more = list(words_of(line))
        if found and more:
            last, first = found[-1], more[0]
            assert last.box, "words of a line have boxes"
            assert first.box, "words of a line have boxes"
            joint = gap_between(last.text, last.box, first.text, first.box)
            found[-1] = last._replace(joint=joint)
        found += more
    return tuple(found)


def _spread(line: Line) -> Iterator[PlacedRow]:
    """The rows of a text that stand somewhere in its box."""
    for text in line.text.splitlines():
        if found := tuple(PlacedWord(word, None, None) for word in text.split()):
            yield PlacedRow(line.box, found)


def words_of(line: Line) -> Iterator[PlacedWord]:
    """The words of a line with their boxes.

    White space in the picture divides the line into pieces. Where these are more than the words of
    its text, the widest gaps are those between words; where they are fewer, each word takes the
    part of the line that it has of the characters' widths. What stands between spaces counts as one
    word, also where it is Chinese; its confidence is then the mean of its characters'.
    """
    texts = line.text.split()
    left, top, right, bottom = line.box
    edges = _joined(line.words, len(texts))
    if len(edges) < len(texts):
        widths = [set_width(text) for text in texts]
        unit = (right - left) / (sum(widths) + len(texts) - 1)
        ends = accumulate(wide + 1 for wide in widths)
        edges = [
            (round(left + unit * (end - 1 - wide)), round(left + unit * (end - 1)))
            for wide, end in zip(widths, ends, strict=True)
        ]
    confidences = _confidences(line, texts)
    for text, (start, end), confidence in zip(texts, edges, confidences, strict=True):
        yield PlacedWord(text, (start, top, end, bottom), confidence)


def _confidences(line: Line, texts: Sequence[str]) -> Iterator[float | None]:
    """Of each of these parts of a line; None where it is not known."""
    counts = [len(words(text)) for text in texts]
    known = len(line.confidence) == sum(counts)
    values = iter(line.confidence)
    for count in counts:
        yield sum(islice(values, count)) / count if known else None


def _joined(pieces: Sequence[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """Pieces of a line, from the left, put together until there are no more than `count`."""
    gaps = sorted(range(1, len(pieces)), key=lambda place: pieces[place - 1][1] - pieces[place][0])
    starts = [0, *sorted(gaps[: max(count - 1, 0)]), len(pieces)]
    return [(pieces[a][0], pieces[b - 1][1]) for a, b in pairwise(starts) if count and a < b]


def around(boxes: list[Box]) -> Box:
    """The box around some boxes, of which there is at least one."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def displayed_size(page: Page) -> tuple[int, int]:
    """Width and height in pixels of the page before it was turned."""
    return (page.height, page.width) if page.turned % 180 else (page.width, page.height)


def to_displayed(page: Page) -> Matrix:
    """From pixels of the page as it was read to pixels of the page as it is displayed.

    The server turned it around its middle, counter-clockwise; this turns it back.
    """
    angle = radians(page.turned + page.skew)
    a, b = cos(angle), sin(angle)
    width, height = displayed_size(page)
    x, y = page.width / 2, page.height / 2
    return a, b, -b, a, width / 2 - a * x + b * y, height / 2 - b * x - a * y


def displayed_box(box: Box, page: Page) -> Box:
    """The box around where a box of the page stands on the page as it is displayed."""
    a, b, c, d, e, f = to_displayed(page)
    left, top, right, bottom = box
    corners = [(x, y) for x in (left, right) for y in (top, bottom)]
    across = [a * x + c * y + e for x, y in corners]
    down = [b * x + d * y + f for x, y in corners]
    width, height = displayed_size(page)
    return (
        max(0, round(min(across))),
        max(0, round(min(down))),
        min(width, round(max(across))),
        min(height, round(max(down))),
    )


def text_angle(page: Page) -> float:
    """Degrees, counter-clockwise, by which text on the displayed page is turned; 0 to 360."""
    return round(-(page.turned + page.skew) % 360, 2) % 360
