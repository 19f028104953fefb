"""A font without glyphs, whose only use is to say which characters are meant.

So any script that Unicode has can be found and copied, and nothing is shown if a viewer draws it
after all. Tesseract and OCRmyPDF do so.
"""

import io

from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib.tables._g_l_y_f import Glyph
from pikepdf import Array, Dictionary, Name, Pdf, Stream

ADVANCE = 500
"""Width of each character, in thousandths of the font's size; stretched to fit its word."""


class InvisibleFont:
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
