"""The pages of a PDF, a TIFF or an image, opened one at a time."""

from io import BytesIO
from math import sqrt
from typing import Any

from PIL import Image, ImageOps

from qwen_ocr.errors import ImageError, PDFError
from qwen_ocr.images import MAX_PIXELS
from qwen_ocr.pdf import PDF
from qwen_ocr.sources import FORMATS, image_errors, is_pdf
from qwen_ocr_serve.documents.lines import Ink
from qwen_ocr_serve.documents.text_layer import read_text_layer

NAME = "the document"
"""What errors call it."""
MOST_PIXELS = MAX_PIXELS // 4
"""Of a rendered page: A3 at 300 dpi has 17 million."""
_DPI = 72.0
"""What an image counts as that does not say how many dots per inch it has."""
_DPI_RANGE = (30.0, 2400.0)


class Document:
    """An open document. Raises `PDFError` or `ImageError` for what cannot be opened.

    Pages are numbered from 0; a page that is not there raises the same.
    """

    def __init__(self, data: bytes, password: str | None = None) -> None:
        self._pdf: PDF | None = None
        if is_pdf(data):
            file = BytesIO(data)
            file.name = NAME  # which errors begin with
            self._pdf = PDF(file, password)
            self.page_count = self._pdf.page_count
            return
        with image_errors(NAME):
            self._image = Image.open(BytesIO(data), formats=FORMATS)
            several = self._image.format == "TIFF"
            self.page_count = getattr(self._image, "n_frames", 1) if several else 1

    def picture(self, number: int, dpi: float, width: float | None = None) -> Image.Image:
        """A page as it is displayed: of a PDF at `dpi`, but at most `width` pixels wide."""
        self._check(number)
        if self._pdf:
            return self._pdf.render(number + 1, self._fitting_dpi(number, dpi, width))
        with image_errors(NAME):
            self._image.seek(number)
            if self._image.width * self._image.height > MAX_PIXELS:
                raise ImageError(f"page {number} has more than {MAX_PIXELS:,} pixels")
            image = ImageOps.exif_transpose(self._image)
            if image.mode in ("RGBA", "LA", "P"):
                ground = Image.new("RGBA", image.size, "white")
                ground.alpha_composite(image.convert("RGBA"))
                image = ground.convert("RGB")
            image.load()
            return image

    def dpi(self, number: int, dpi: float) -> float:
        """Pixels per inch of that picture."""
        if self._pdf:
            return self._fitting_dpi(number, dpi, None)
        stated: Any = self._image.info.get("dpi", (_DPI, _DPI))
        least, most = _DPI_RANGE
        return float(stated[0]) if least <= float(stated[0]) <= most else _DPI

    def text_layer(self, number: int, dpi: float) -> tuple[Ink, tuple[int, int]] | None:
        """The lines of a page that the PDF has as text, and the size of its picture in pixels.

        None for a page without a text that can be trusted, see `text_layer`.
        """
        self._check(number)
        if self._pdf is None:
            return None
        across, down = self._pdf.size(number + 1)
        fitting = self._fitting_dpi(number, dpi, None)
        size = (max(1, round(across * fitting)), max(1, round(down * fitting)))
        found = self._pdf.use(number + 1, lambda page: read_text_layer(page, size))
        return (found, size) if found else None

    def _fitting_dpi(self, number: int, dpi: float, width: float | None) -> float:
        assert self._pdf is not None, "images have a size of their own"
        across, down = (max(inches, 1e-3) for inches in self._pdf.size(number + 1))
        most = (dpi, sqrt(MOST_PIXELS / across / down), width / across if width else dpi)
        return min(most)

    def _check(self, number: int) -> None:
        if number >= self.page_count:
            kind = PDFError if self._pdf else ImageError
            raise kind(f"there is no such page: the document has {self.page_count}")

    def close(self) -> None:
        """Free what it holds."""
        if self._pdf:
            self._pdf.__exit__(None, None, None)
        else:
            self._image.close()
