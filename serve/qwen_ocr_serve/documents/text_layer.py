"""The text that a PDF itself has for a page, where that can be trusted.

A page made by a program says which characters it shows and where. A scan may have such a text as
well, from some other OCR: that one is left alone.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pypdfium2.raw as pdfium

from qwen_ocr_serve.documents.lines import Box, Ink, Line

_LEAST = 16
"""Characters of a page that has a text of its own."""
_BROKEN = 0.02
"""Part of the characters that may be none: fonts without a map give private or unknown ones."""
_SCAN = 0.6
"""Part of the page from which on an image is a scan of it."""
_MEANT = {
    chr(code): unicodedata.normalize("NFKC", chr(code))
    for code in (*range(0xFB00, 0xFB07), *range(0x2F00, 0x2FD6))
}
"""Ligatures, from "ff" to "st", with the letters that they are made of, and the radicals of Chinese
dictionaries with the characters that look the same: fonts have one glyph for both, and PDFs may say
the radical."""
_HYPHEN = "\x02"
"""What PDFium has for a hyphen at the end of a line, whose word it puts together."""
_LETTERS = 0.7
"""Height of capitals, in sizes of type: about that of most fonts."""
_LINK = 1.7
"""Widest gap between two words of a line, in heights of type."""


class _Character(NamedTuple):
    text: str
    box: Box
    loose: Box
    """As high as any character of the font may be."""


class _Word(NamedTuple):
    text: str
    box: Box
    size: int
    """Of its type, in pixels, from the lowest to the highest that a character may reach."""


_END = _Character("\n", (0, 0, 0, 0), (0, 0, 0, 0))


def read_text_layer(page: Any, size: tuple[int, int]) -> Ink | None:
    """The lines that the PDF has for a page that is `size` pixels large; None without a good text.

    `page` is pypdfium2's. A page that is shown turned has none, either.
    """
    if page.get_rotation():
        return None
    left, bottom, right, top = page.get_cropbox()
    across, down = size[0] / (right - left), size[1] / (top - bottom)

    def to_pixels(edges: tuple[float, ...]) -> Box:
        x0, y0, x1, y1 = edges
        return (
            round((x0 - left) * across),
            round((top - y1) * down),
            round((x1 - left) * across),
            round((top - y0) * down),
        )

    images = [
        to_pixels(item.get_bounds())
        for item in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE])
    ]
    if any((b[2] - b[0]) * (b[3] - b[1]) > _SCAN * size[0] * size[1] for b in images):
        return None
    text_page = page.get_textpage()
    try:
        characters = [
            (
                character,
                text_page.get_charbox(index),
                text_page.get_charbox(index, loose=True),
            )
            for index, character in _characters(text_page)
        ]
    finally:
        text_page.close()
    visible = [character for character, _, _ in characters if not character.isspace()]
    broken = sum(unicodedata.category(c)[0] == "C" or c == "\ufffd" for c in visible)
    if len(visible) < _LEAST or broken > _BROKEN * len(visible):
        return None
    rows = _rows(
        _Character(character, to_pixels(edges), to_pixels(loose))
        for character, edges, loose in characters
    )
    lines = [line for row in rows for line in _lines(row)]
    return Ink(lines, images, float(np.median([line.height for line in lines])))


def _characters(text_page: Any) -> Iterator[tuple[int, str]]:
    """Each character with its first place: PDFium counts in UTF-16, where rare ones take two."""
    codes = [pdfium.FPDFText_GetUnicode(text_page, i) for i in range(text_page.count_chars())]
    units = b"".join(code.to_bytes(2, "little") for code in codes)
    index = 0
    for character in units.decode("utf-16-le", "replace"):
        yield index, character
        index += 1 + (character > "\uffff")


def _rows(characters: Iterable[_Character]) -> Iterator[list[_Word]]:
    """The words of each line, as PDFium divides the text into lines."""
    row: list[_Word] = []
    word: list[_Character] = []
    for character in [*characters, _END]:
        hyphen = character.text == _HYPHEN
        if hyphen:
            word.append(character._replace(text="-"))
        if hyphen or character.text.isspace():
            if word:
                row.append(_word(word))
                word = []
            if row and (hyphen or character.text in "\r\n"):
                yield row
                row = []
        elif unicodedata.category(character.text)[0] != "C":
            word.append(character)


def _word(characters: list[_Character]) -> _Word:
    lefts, tops, rights, bottoms = zip(*(character.box for character in characters), strict=True)
    text = "".join(_MEANT.get(character.text, character.text) for character in characters)
    size = max(character.loose[3] - character.loose[1] for character in characters)
    return _Word(text, (min(lefts), min(tops), max(rights), max(bottoms)), size)


def _lines(row: list[_Word]) -> Iterator[Line]:
    """A row in lines without wide gaps."""
    height = _LETTERS * float(np.median([word.size for word in row]))
    line: list[_Word] = []
    for word in row:
        if line and not 0 <= word.box[0] - line[-1].box[2] + height <= (1 + _LINK) * height:
            yield _line(line, height)
            line = []
        line.append(word)
    yield _line(line, height)


def _line(words: list[_Word], height: float) -> Line:
    lefts, tops, rights, bottoms = zip(*(word.box for word in words), strict=True)
    return Line(
        min(lefts),
        min(tops),
        max(rights),
        max(bottoms),
        max(height, 1.0),
        max(height, 1.0),
        tuple((word.box[0], word.box[2]) for word in words),
        " ".join(word.text for word in words),
    )
