"""PDFs whose pages look as they did and can be searched: an invisible layer of text above them.

A PDF keeps its own pages; of an image, the page is the image itself, without loss. The text is
drawn in text rendering mode 3, "neither fill nor stroke" (ISO 32000-1, 9.3.6), in a font without
glyphs, whose only use is to say which characters are meant; so any script that Unicode has can be
found and copied, and nothing is shown if a viewer draws it after all. Tesseract and OCRmyPDF do so.
"""

import io
from collections.abc import Iterable
from typing import NamedTuple

import img2pdf
import pikepdf
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib.tables._g_l_y_f import Glyph
from pikepdf import Array, Dictionary, Name, Pdf, Stream

from qwen_ocr.errors import PDFError
from qwen_ocr.images import known_size, load_image
from qwen_ocr_tools.batch.documents import Page, open_document, tiff_page
from qwen_ocr_tools.batch.records import Record

ADVANCE = 500
"""Width of each character of the font, in thousandths of its size; stretched to fit its line."""
MARGIN = 0.05
"""Of the page's width and height, around lines whose place is not known."""
TALLEST = 0.05
"""Of the page's height: the most that one of these lines takes."""


class Line(NamedTuple):
    """Text and its box, in parts of the page's width and height, from the top left."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


def searchable_pdf(records: list[Record]) -> bytes:
    """The PDF of one document, from the records of all its pages in order.

    Raises `PDFError` for a document that cannot be made into one.
    """
    name = records[0]["file"]
    output = io.BytesIO()
    try:
        with _pages_of(name) as pdf:
            font = _Font(pdf)
            for record, page in zip(records, pdf.pages, strict=True):
                _add_text(pdf, page, lines_of(record), font)
            font.finish()
            pdf.save(output)
    except Exception as exc:  # damaged and exotic files make the libraries raise nearly anything
        raise PDFError(f"{name}: cannot be made into a searchable PDF ({exc})") from exc
    return output.getvalue()


def lines_of(record: Record) -> list[Line]:
    """The lines of a page where they are; spread over the page where that is not known."""
    if located := record.get("lines"):
        width, height = record["size"]
        return [
            Line(line["text"], left / width, top / height, right / width, bottom / height)
            for line in located
            for left, top, right, bottom in [line["box"]]
            if line["text"].strip() and left < right and top < bottom
        ]
    texts = [line.strip() for line in record["text"].splitlines() if line.strip()]
    longest = max(map(len, texts), default=0)
    pitch = min((1 - 2 * MARGIN) / max(len(texts), 1), TALLEST)
    return [
        Line(
            text,
            MARGIN,
            MARGIN + index * pitch,
            MARGIN + (1 - 2 * MARGIN) * len(text) / longest,
            MARGIN + (index + 0.8) * pitch,
        )
        for index, text in enumerate(texts)
    ]


def _pages_of(name: str) -> Pdf:
    document = open_document(name)
    if document.kind == "pdf":
        return Pdf.open(name)
    try:
        data = img2pdf.convert(
            name,
            rotation=img2pdf.Rotation.ifvalid,
            first_frame_only=document.kind == "image",
        )
    except Exception:  # noqa: BLE001 - it has no one class for transparency, 16 bits and the like
        # As the model saw them, then.
        data = img2pdf.convert([_as_png(page) for page in document.pages])
    return Pdf.open(io.BytesIO(data))


def _as_png(page: Page) -> bytes:
    image = page.document.source if page.document.kind == "image" else tiff_page(page)
    buffer = io.BytesIO()
    known_size(load_image(image)).image.save(buffer, "PNG")
    return buffer.getvalue()


class _Font:
    """One font for a whole document, whose codes are given to characters as they come."""

    def __init__(self, pdf: Pdf) -> None:
        self._pdf = pdf
        self._codes: dict[str, int] = {}
        self.reference = pdf.make_indirect(Dictionary())

    def encode(self, text: str) -> bytes:
        """The text as a hexadecimal string of two-byte codes."""
        codes = (self._codes.setdefault(c, len(self._codes) + 1) for c in text)
        return b"<" + b"".join(b"%04X" % code for code in codes) + b">"

    def finish(self) -> None:
        """Write the font, when all text is encoded (ISO 32000-1, 9.7)."""
        pdf = self._pdf
        name = Name("/Invisible")
        descriptor = Dictionary(
            Type=Name.FontDescriptor,
            FontName=name,
            Flags=5,  # fixed pitch, symbolic
            FontBBox=Array([0, 0, ADVANCE, 1000]),
            ItalicAngle=0,
            Ascent=1000,
            Descent=0,
            CapHeight=1000,
            StemV=80,
            FontFile2=Stream(pdf, _empty_font()),
        )
        descendant = Dictionary(
            Type=Name.Font,
            Subtype=Name.CIDFontType2,
            BaseFont=name,
            CIDSystemInfo=Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0),
            FontDescriptor=pdf.make_indirect(descriptor),
            DW=ADVANCE,
            # Each code is drawn as glyph 0, the empty one.
            CIDToGIDMap=Stream(pdf, bytes(2 * (len(self._codes) + 1))),
        )
        font = Dictionary(
            Type=Name.Font,
            Subtype=Name.Type0,
            BaseFont=name,
            Encoding=Name("/Identity-H"),
            DescendantFonts=Array([pdf.make_indirect(descendant)]),
            ToUnicode=Stream(pdf, _to_unicode(self._codes)),
        )
        for key, value in font.items():
            self.reference[key] = value


def _empty_font() -> bytes:
    """A TrueType font with one glyph that has no outline."""
    builder = FontBuilder(unitsPerEm=1000, isTTF=True)
    builder.setupGlyphOrder([".notdef"])
    builder.setupCharacterMap({})
    builder.setupGlyf({".notdef": Glyph()})
    builder.setupHorizontalMetrics({".notdef": (ADVANCE, 0)})
    builder.setupHorizontalHeader(ascent=1000, descent=0)
    builder.setupNameTable({"familyName": "Invisible", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    buffer = io.BytesIO()
    builder.save(buffer)
    return buffer.getvalue()


def _to_unicode(codes: dict[str, int]) -> bytes:
    """The CMap that gives each code's character, in UTF-16 (ISO 32000-1, 9.10.3)."""
    pairs = [
        b"<%04X> <%s>" % (code, character.encode("utf-16-be", "surrogatepass").hex().encode())
        for character, code in codes.items()
    ]
    # No more than 100 in one section.
    sections = [pairs[start : start + 100] for start in range(0, len(pairs), 100)]
    return b"\n".join(
        [
            b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
            b"/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
            b"/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
            b"1 begincodespacerange <0000> <FFFF> endcodespacerange",
            *(
                b"%d beginbfchar\n%s\nendbfchar" % (len(section), b"\n".join(section))
                for section in sections
            ),
            b"endcmap CMapName currentdict /CMap defineresource pop end end",
        ]
    )


def _add_text(pdf: Pdf, page: pikepdf.Page, lines: Iterable[Line], font: _Font) -> None:
    """Lay the lines over the page as it is displayed, however it is turned and cropped."""
    left, bottom, right, top = (float(edge) for edge in page.cropbox)
    width, height = right - left, top - bottom
    if int(page.obj.get("/Rotate", 0)) % 180:
        width, height = height, width
    layer = Pdf.new()
    layer.add_blank_page(page_size=(width, height))
    text = [b"BT 3 Tr"]
    for line in lines:
        size = (line.bottom - line.top) * height
        natural = len(line.text) * size * ADVANCE / 1000
        stretch = 100 * (line.right - line.left) * width / natural
        position = line.left * width, (1 - line.bottom) * height
        text.append(
            b"/F %.3f Tf %.3f Tz 1 0 0 1 %.3f %.3f Tm %s Tj"
            % (size, stretch, *position, font.encode(line.text))
        )
    text.append(b"ET")
    form = Stream(
        pdf,
        b"\n".join(text),
        Type=Name.XObject,
        Subtype=Name.Form,
        BBox=Array([0, 0, width, height]),
        Resources=Dictionary(Font=Dictionary(F=font.reference)),
    )
    page.add_overlay(pdf.make_indirect(form), pikepdf.Rectangle(left, bottom, right, top))
