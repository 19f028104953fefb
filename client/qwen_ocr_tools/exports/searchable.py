"""PDFs whose pages look as they did and can be searched: an invisible layer of text above them.

A PDF keeps its own pages; of an image, the page is the image itself, without loss. The text is
drawn in text rendering mode 3, "neither fill nor stroke" (ISO 32000-1, 9.3.6).
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import img2pdf
import pikepdf
from pikepdf import Array, Dictionary, Matrix, Name, Pdf, Stream

from qwen_ocr.documents import Page
from qwen_ocr.errors import PDFError
from qwen_ocr.images import known_size, load_image
from qwen_ocr.sources import PDF_MARK_WITHIN, is_pdf
from qwen_ocr.spacing import set_width
from qwen_ocr_tools.batch.documents import SourceDocument, open_document, tiff_page
from qwen_ocr_tools.exports.invisible_font import ADVANCE, InvisibleFont
from qwen_ocr_tools.exports.places import (
    PlacedRow,
    blocks_of,
    displayed_size,
    rows_of,
    to_displayed,
)

MARGIN = 0.05
"""Of a box's width and height, around lines whose places in it are not known."""
TALLEST = 0.05
"""Of the box's height: the most that one of these lines takes."""


class _Piece(NamedTuple):
    """Text and its box, in pixels of the page as it was read."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


def searchable_pdf(
    name: str, pages: Sequence[Page], data: bytes | None = None, password: str | None = None
) -> bytes:
    """The PDF of a document, with these of its pages.

    The document is at the path `name`, or it is `data`. What is made of an encrypted one is not
    encrypted. Raises `PDFError` for a document that cannot be made into one.
    """
    output = io.BytesIO()
    try:
        with _pages_of(name, data, password) as pdf:
            numbers = {page.number for page in pages}
            missing = numbers - set(range(1, len(pdf.pages) + 1))
            if missing:
                raise ValueError(f"it has no page {min(missing)}")  # it has changed since
            font = InvisibleFont(pdf)
            for page in pages:
                _add_text(pdf, pdf.pages[page.number - 1], page, font)
            font.finish()
            for number in range(len(pdf.pages), 0, -1):
                if number not in numbers:
                    del pdf.pages[number - 1]
            pdf.save(output)
    except Exception as exc:  # damaged and exotic files make the libraries raise nearly anything
        raise PDFError(f"{name}: cannot be made into a searchable PDF ({exc})") from exc
    return output.getvalue()


def _pages_of(name: str, data: bytes | None, password: str | None) -> Pdf:
    with Path(name).open("rb") if data is None else io.BytesIO(data) as file:
        head = file.read(PDF_MARK_WITHIN)
    if is_pdf(head):
        return Pdf.open(name if data is None else io.BytesIO(data), password=password or "")
    document = open_document(name, data)
    try:
        made = img2pdf.convert(
            name if data is None else data,
            rotation=img2pdf.Rotation.ifvalid,
            first_frame_only=document.kind == "image",
        )
    except Exception:  # noqa: BLE001 - it has no one class for transparency, 16 bits and the like
        # As the model saw them, then.
        made = img2pdf.convert([*_as_png(document)])
    return Pdf.open(io.BytesIO(made))


def _as_png(document: SourceDocument) -> Iterator[bytes]:
    for page in document.pages:
        image = document.source if document.kind == "image" else tiff_page(page)
        buffer = io.BytesIO()
        known_size(load_image(image)).image.save(buffer, "PNG")
        yield buffer.getvalue()


def _pieces(page: Page) -> Iterator[_Piece]:
    """The words of a page where they stand; its lines where it is not known more exactly.

    A space goes with each word but the last of its line, for programs that look for it, and none
    with parts of Chinese that are not spaced.
    """
    for block in blocks_of(page):
        unknown: list[PlacedRow] = []
        for row in rows_of(block):
            *before, last = row.words
            if last.box is None:
                unknown.append(row)
                continue
            for word in before:
                assert word.box, "the words of a row have boxes, or none has"
                yield _Piece(f"{word.text}{word.joint}", *word.box)
            yield _Piece(last.text, *last.box)
        yield from _spread(unknown)


def _spread(rows: list[PlacedRow]) -> Iterator[_Piece]:
    """Rows of one box, one below the other in it."""
    texts = [" ".join(word.text for word in row.words) for row in rows]
    longest = max(map(set_width, texts), default=0)
    pitch = min((1 - 2 * MARGIN) / max(len(texts), 1), TALLEST)
    for index, (row, text) in enumerate(zip(rows, texts, strict=True)):
        left, top, right, bottom = row.box
        width, height = right - left, bottom - top
        yield _Piece(
            text,
            left + MARGIN * width,
            top + (MARGIN + index * pitch) * height,
            left + (MARGIN + (1 - 2 * MARGIN) * set_width(text) / longest) * width,
            top + (MARGIN + (index + 0.8) * pitch) * height,
        )


def _add_text(pdf: Pdf, target: pikepdf.Page, page: Page, font: InvisibleFont) -> None:
    """Lay the text over the page as it is displayed, however it is turned and cropped."""
    if not page.width or not page.height:
        return  # it could not be read
    left, bottom, right, top = (float(edge) for edge in target.cropbox)
    width, height = right - left, top - bottom
    if int(target.obj.get("/Rotate", 0)) % 180:
        width, height = height, width
    across, down = displayed_size(page)
    place = Matrix(to_displayed(page)) @ Matrix(width / across, 0, 0, -height / down, 0, height)
    text = _form(pdf, _drawn(page, font), (page.width, page.height), "Font", font.reference)
    # The turn is around the text and not in it: PDFium leaves out upright text without ink.
    drawing = b"%.6f %.6f %.6f %.6f %.6f %.6f cm /F Do" % place.shorthand
    layer = _form(pdf, drawing, (width, height), "XObject", text)
    target.add_overlay(layer, pikepdf.Rectangle(left, bottom, right, top))


def _drawn(page: Page, font: InvisibleFont) -> bytes:
    """The text as operators of a content stream."""
    text = [b"BT 3 Tr"]
    for piece in _pieces(page):
        size = piece.bottom - piece.top
        natural = len(piece.text.rstrip()) * size * ADVANCE / 1000
        if size <= 0 or piece.left >= piece.right:
            continue
        stretch = 100 * (piece.right - piece.left) / natural
        # Pixels count downwards, and letters stand upwards.
        text.append(
            b"/F %.3f Tf %.3f Tz 1 0 0 -1 %.3f %.3f Tm %s Tj"
            % (size, stretch, piece.left, piece.bottom, font.encode(piece.text))
        )
    return b"\n".join([*text, b"ET"])


def _form(
    pdf: Pdf, content: bytes, size: tuple[float, float], kind: str, resource: pikepdf.Object
) -> pikepdf.Object:
    """Content that uses one resource, which it calls F (ISO 32000-1, 8.10)."""
    form = Stream(
        pdf,
        content,
        Type=Name.XObject,
        Subtype=Name.Form,
        BBox=Array([0, 0, *size]),
        Resources=Dictionary({f"/{kind}": Dictionary(F=resource)}),
    )
    return pdf.make_indirect(form)
