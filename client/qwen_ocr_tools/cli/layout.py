"""How pages are printed: plain text, JSON lines or Markdown; and doubtful words marked."""

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from qwen_ocr.confidence import WARNINGS
from qwen_ocr.results import OCRResult
from qwen_ocr_tools.cli.common import complain
from qwen_ocr_tools.exports.formats import Format

if TYPE_CHECKING:
    from qwen_ocr_tools.batch.documents import Page

DOUBTFUL = 0.5
"""A word that the model itself holds to be wrong more likely than right."""
MARK = "[?]"
"""After a doubtful word where there is no colour, as editors of manuscripts write it."""


@dataclass(slots=True)
class Printer:
    """Prints pages to stdout as they come."""

    form: Format
    """`text`, `json` or `markdown`."""
    confidence: bool
    """Confidences were asked for: doubtful words are marked; JSON has the numbers instead."""
    several: bool
    """There are several files."""
    _gap: str = ""

    def show(self, page: "Page", result: OCRResult) -> None:
        """Print one page, with its name above it if it is one of several; warnings to stderr."""
        for code in result.warnings:
            number = "" if result.confidence is None else f" (confidence {result.confidence:.2f})"
            complain(f"{page.name}: {WARNINGS[code]}{number}")
        if self.form == "json":
            from qwen_ocr_tools.batch.records import encode, fields_of

            place = {"file": page.document.name, "page": page.number}
            typer.echo(encode(place | fields_of(result)), nl=False)
            return
        if self.several or page.document.page_count > 1:
            title = f"## {page.name}\n" if self.form == "markdown" else f"==> {page.name} <=="
            # File names can be any bytes.
            typer.echo((self._gap + title).encode(errors="surrogateescape"))
            self._gap = "\n"
        if self.confidence and result.text.strip() and not result.words:
            complain(f"{page.name}: the server sent no confidences, so nothing is marked")
        typer.echo(marked(result, sys.stdout.isatty()))


def marked(result: OCRResult, colour: bool) -> str:
    """The text with its doubtful words marked; as it is when the words are not known."""
    if not result.words:
        return result.text
    words = iter(result.words)

    def mark(match: re.Match[str]) -> str:
        if next(words).confidence >= DOUBTFUL:
            return match[0]
        if colour:
            return typer.style(match[0], fg=typer.colors.RED, underline=True)
        return match[0] + MARK

    return re.sub(r"\S+", mark, result.text)
