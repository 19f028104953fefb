"""Documents as plain text, Markdown and JSON."""

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from qwen_ocr.documents import Document, Page
from qwen_ocr_tools.batch.records import encode

PAGE_BREAK = "\f"
"""Between pages of plain text, as `pdftotext` has it."""


def plain_text(document: Document) -> bytes:
    """The lines as they stand on the pages."""
    return _encoded(PAGE_BREAK.join(page.text for page in document.pages))


def markdown(document: Document, folder: str) -> bytes:
    """The Markdown of all pages. A page that could not be read is a comment.

    Its pictures are in `folder` beside it, see `figure_files`; links stay as they are without one.
    """
    return _encoded("\n\n".join(filter(None, (_page(page, folder) for page in document.pages))))


def figure_files(document: Document) -> dict[str, bytes]:
    """JPEG files by their names in the folder: of all pictures that have their data."""
    return {
        figure_name(page, place): figure.data
        for page in document.pages
        for place, figure in enumerate(page.figures, 1)
        if figure.data
    }


def figure_name(page: Page, place: int) -> str:
    """The file of a picture; `place` counts those of the page from 1."""
    return f"page-{page.number}-{place}.jpeg"


def _page(page: Page, folder: str) -> str:
    if page.error:
        return f"<!-- page {page.number} could not be read -->"
    text = page.markdown
    for place, figure in enumerate(page.figures, 1):
        if figure.data and folder:
            target = f"{quote(folder)}/{figure_name(page, place)}"
            text = text.replace(f"]({figure.id})", f"]({target})")
    return text


def json_document(document: Document, name: str) -> bytes:
    """All that is known about a document, as one object; `name` is the document's."""
    pages = [page_fields(page) for page in document.pages]
    return encode({"file": name, "pages": pages})


def json_line(page: Page, name: str) -> bytes:
    """The same of one page of a document."""
    return encode({"file": name, **page_fields(page)})


def page_fields(page: Page) -> dict[str, Any]:
    """A page as JSON has it: the fields of `qwen_ocr.Page`, without the pictures' files.

    `page` is its number, `error` has `code` and `message` and is null for a page that was read.
    """
    return {
        "page": page.number,
        "text": page.text,
        "markdown": page.markdown,
        "confidence": page.confidence,
        "warnings": page.warnings,
        "width": page.width,
        "height": page.height,
        "dpi": page.dpi,
        "turned": page.turned,
        "skew": page.skew,
        "text_layer": page.text_layer,
        "blocks": [asdict(block) for block in page.blocks],
        "figures": [{"id": figure.id, "box": figure.box} for figure in page.figures],
        "words": [asdict(word) for word in page.words],
        "error": page.error and {"code": page.error.code, "message": str(page.error)},
    }


def _encoded(text: str) -> bytes:
    return f"{text}\n".encode(errors="replace")
