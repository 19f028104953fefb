"""A file as a row of pages, each opened only when its turn comes."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from PIL import Image

from qwen_ocr.errors import ImageError, OCRError, PDFError
from qwen_ocr.images import check_size
from qwen_ocr.pdf import DEFAULT_DPI, PDF
from qwen_ocr.sources import PDF_MARK_WITHIN, Source, image_errors, is_pdf, is_remote, read_bytes

TIFF_MARKS = (b"II*\0", b"MM\0*")

Kind = Literal["image", "pdf", "tiff"]
PageImage = Source | Image.Image
"""A page as a client takes it."""


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A file and how many pages it has; one for anything but a PDF and a TIFF."""

    name: str
    """Its path or URL, or what to call it."""
    source: Source
    """The same path or URL, or the bytes that came from standard input."""
    kind: Kind = "image"
    page_count: int = 1
    error: OCRError | None = None
    """Why it cannot be opened; it has one page then, which fails with this."""

    @property
    def pages(self) -> Iterator["Page"]:
        """Its pages in order."""
        return (Page(self, number) for number in range(1, self.page_count + 1))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a document."""

    document: SourceDocument
    number: int
    """From 1."""

    @property
    def name(self) -> str:
        """What messages call it."""
        if self.document.page_count == 1:
            return self.document.name
        return f"{self.document.name}, page {self.number}"

    def complaint(self, error: Exception) -> str:
        """What to say about its failure; errors of files begin with the file's name already."""
        message = str(error)
        return message if message.startswith(self.document.name) else f"{self.name}: {message}"


def open_document(name: str, data: bytes | None = None) -> SourceDocument:
    """The document at a path or URL, or in `data`; what is wrong with it becomes its `error`."""
    if data is None and is_remote(name):
        return SourceDocument(name, name)
    source: Source = name if data is None else data
    try:
        with image_errors(name):
            kind = _kind(_head(source))
        if kind == "pdf":
            count = _pdf_pages(name, source)
        else:
            with image_errors(name):
                count = _tiff_pages(source) if kind == "tiff" else 1
    except (ImageError, PDFError) as exc:
        return SourceDocument(name, source, error=exc)
    return SourceDocument(name, source, kind, count)


def open_argument(argument: str) -> SourceDocument:
    """The document that an argument names; `-` is the one that comes through standard input."""
    if argument != "-":
        return open_document(argument)
    name = "standard input"
    try:
        with image_errors(name):
            data = read_bytes(sys.stdin.buffer)
    except ImageError as exc:
        return SourceDocument(name, b"", error=exc)
    return open_document(name, data)


def _head(source: Source) -> bytes:
    if isinstance(source, bytes):
        return source[:PDF_MARK_WITHIN]
    assert isinstance(source, str)
    with Path(source).open("rb") as file:
        return file.read(PDF_MARK_WITHIN)


def _kind(head: bytes) -> Kind:
    if is_pdf(head):
        return "pdf"
    return "tiff" if head.startswith(TIFF_MARKS) else "image"


def _pdf_pages(name: str, source: Source) -> int:
    with PDF(source) as pdf:
        if pdf.page_count == 0:
            raise PDFError(f"{name}: a PDF without pages")
        return pdf.page_count


def _tiff_pages(source: Source) -> int:
    with _open_tiff(source) as tiff:
        return getattr(tiff, "n_frames", 1)


def _open_tiff(source: Source) -> Image.Image:
    file = BytesIO(source) if isinstance(source, bytes) else source
    return Image.open(file, formats=("TIFF",))  # type: ignore[arg-type]  # a path otherwise


class PageImages:
    """Images of pages, for many readers at a time; a context manager.

    The PDF that was used last stays open, because its next page is most often wanted next. One
    page is rendered at a time, which is all that PDFium can do.
    """

    def __init__(self, dpi: float = DEFAULT_DPI) -> None:
        self._dpi = dpi
        self._turn = asyncio.Lock()
        self._document: SourceDocument | None = None
        self._pdf: PDF | None = None

    async def get(self, page: Page) -> PageImage:
        """What a client takes for this page. Raises `ImageError` or `PDFError`."""
        document = page.document
        if document.error:
            raise document.error
        if document.kind == "image" or (document.kind == "tiff" and document.page_count == 1):
            return document.source
        if document.kind == "tiff":
            return await asyncio.to_thread(tiff_page, page)
        async with self._turn:
            return await asyncio.to_thread(self._render, page)

    def _render(self, page: Page) -> Image.Image:
        if self._pdf is None or self._document is not page.document:
            self.close()
            self._pdf = PDF(page.document.source)
            self._document = page.document
        return self._pdf.render(page.number, self._dpi)

    def close(self) -> None:
        """Close what is open."""
        if self._pdf:
            self._pdf.__exit__(None, None, None)
        self._pdf = self._document = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def tiff_page(page: Page) -> Image.Image:
    """One page of a TIFF. Raises `ImageError` if it is damaged or too large."""
    with image_errors(page.name), _open_tiff(page.document.source) as tiff:
        tiff.seek(page.number - 1)
        check_size(tiff.size)
        return tiff.copy()
