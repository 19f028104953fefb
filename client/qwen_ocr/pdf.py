"""Pages of a PDF as images; needs the extra `pdf`."""

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from PIL import Image

from qwen_ocr.errors import ConfigurationError, ImageError, PDFError
from qwen_ocr.images import MAX_PIXELS
from qwen_ocr.sources import Source, image_errors, name_of, read_bytes

T = TypeVar("T")

POINTS_PER_INCH = 72
MIN_DPI, MAX_DPI = 18, 1200
DEFAULT_DPI = 200
"""Dots per inch: print of 8 points is 22 pixels high. More is lost again in the model's budget."""

# PDFium keeps global state: no two threads may be inside of it, not even with two documents.
_pdfium = threading.Lock()


class PDF:
    """An open document whose pages can be rendered from any thread; a context manager.

    Raises `PDFError` for what is no PDF, is damaged, or needs another password (its `code` is
    `wrong_password` then), and `ConfigurationError` when pypdfium2 is not installed.
    """

    def __init__(self, source: Source, password: str | None = None) -> None:
        try:
            import pypdfium2
        except ImportError as exc:
            raise ConfigurationError("PDFs need pypdfium2: pip install 'qwen-ocr[pdf]'") from exc
        self._name = name_of(source)
        try:
            with image_errors(self._name):
                data = read_bytes(source)
        except ImageError as exc:
            raise PDFError(str(exc)) from exc
        try:
            with _pdfium:
                self._document: Any = pypdfium2.PdfDocument(data, password=password)
                self.page_count = len(self._document)
        except Exception as exc:  # what pypdfium2 raises is not all of one class
            if getattr(exc, "err_code", None) == pypdfium2.raw.FPDF_ERR_PASSWORD:
                which = "not with this password" if password else "not without a password"
                message = f"{self._name}: it is encrypted and cannot be opened, {which}"
                raise PDFError(message, code="wrong_password") from exc
            # PDFium sets no error when it finds no page, so it reports the last one, or success.
            why = "it has no pages" if "Success" in str(exc) else exc
            raise PDFError(f"{self._name}: cannot be opened as a PDF ({why})") from exc

    def size(self, number: int) -> tuple[float, float]:
        """Width and height of page `number`, from 1, in inches as it is displayed."""
        try:
            with _pdfium:
                page = self._document[number - 1]
                width, height = (points / POINTS_PER_INCH for points in page.get_size())
                page.close()
                return width, height
        except Exception as exc:  # as above
            raise PDFError(f"{self._name}, page {number}: cannot be opened ({exc})") from exc

    def render(self, number: int, dpi: float) -> Image.Image:
        """Page `number`, from 1, as it is displayed; larger ones than can be sent are shrunk."""
        width, height = self.size(number)
        scale = min(dpi, (MAX_PIXELS / max(width * height, 1e-6)) ** 0.5 * 0.99)

        def render(page: Any) -> Image.Image:
            image: Image.Image = page.render(scale=scale / POINTS_PER_INCH).to_pil()
            return image

        return self.use(number, render)

    def use(self, number: int, work: Callable[[Any], T]) -> T:
        """What `work` makes of pypdfium2's page `number`, from 1, while no other thread is there.

        Raises `PDFError` in place of whatever it raises.
        """
        try:
            with _pdfium:
                page = self._document[number - 1]
                try:
                    return work(page)
                finally:
                    page.close()
        except Exception as exc:  # as above
            raise PDFError(f"{self._name}, page {number}: cannot be rendered ({exc})") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _pdfium, suppress(Exception):
            self._document.close()


def check_dpi(dpi: float) -> None:
    """Raise `ConfigurationError` for a resolution that nobody renders at."""
    if not isinstance(dpi, int | float) or not MIN_DPI <= dpi <= MAX_DPI:
        raise ConfigurationError(f"dpi: {dpi!r} is not a number from {MIN_DPI} to {MAX_DPI}")
