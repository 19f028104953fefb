/**
 * A font without glyphs, whose only use is to say which characters are meant: text of any script can
 * be found and copied, and nothing is shown. As qwen_ocr_tools/exports/invisible_font.py.
 */

import { stream } from "./pdf-writer.js";

/** Width of each character, in thousandths of the font's size. */
export const ADVANCE = 500;

// A TrueType font with one glyph that has no outline, as fontTools writes it, in base64.
const FILE = [
  "AAEAAAAGAEAAAgAgZ2x5ZgAAAAAAAADwAAAAAWhlYWRfFkDgAAAAbAAAADZoaGVhA+kB9gAAAKQAAAAkaG10eAH0",
  "AAAAAADoAAAABGxvY2EAAAAAAAAA7AAAAARtYXhwAAIAAgAAAMgAAAAgAAEAAAABAABtRJQXXw889QADA+gAAAAA",
  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADAAIAAAAAAAAAAQAAA+gAAAAAAfQAAAAAAAAAAQAAAAAAAAAAAAAAAAAA",
  "AAEAAQAAAAEAAAAAAAAAAAACAAAAAAAAAAAAAAAAAAAAAAH0AAAAAAAAAAAAAA==",
].join("");
const MOST_IN_SECTION = 100; // ISO 32000-1, 9.10.3

export class InvisibleFont {
  constructor() {
    /** @type {Map<string, number>} Given to characters as they come. */
    this.codes = new Map();
  }

  /** The text as a hexadecimal string of two-byte codes. @param {string} text */
  encode(text) {
    const codes = [...text].map((character) => {
      const code = this.codes.get(character) ?? this.codes.size + 1;
      this.codes.set(character, code);
      return hex(code);
    });
    return `<${codes.join("")}>`;
  }

  /**
   * When all text is encoded (ISO 32000-1, 9.7).
   *
   * @param {import("./pdf-writer.js").PDFWriter} pdf
   * @param {number} id The font's.
   */
  write(pdf, id) {
    const file = pdf.add(stream("", Uint8Array.from(atob(FILE), (byte) => byte.charCodeAt(0))));
    const descriptor = pdf.add(
      "<< /Type /FontDescriptor /FontName /Invisible /Flags 5 /ItalicAngle 0 /Ascent 1000 /Descent 0" +
        ` /CapHeight 1000 /StemV 80 /FontBBox [0 0 ${ADVANCE} 1000] /FontFile2 ${file} 0 R >>`,
    );
    // Each code is drawn as glyph 0, the empty one.
    const glyphs = pdf.add(stream("", new Uint8Array(2 * (this.codes.size + 1))));
    const descendant = pdf.add(
      "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Invisible" +
        " /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>" +
        ` /FontDescriptor ${descriptor} 0 R /DW ${ADVANCE} /CIDToGIDMap ${glyphs} 0 R >>`,
    );
    const unicode = pdf.add(stream("", this.#toUnicode()));
    pdf.put(
      id,
      "<< /Type /Font /Subtype /Type0 /BaseFont /Invisible /Encoding /Identity-H" +
        ` /DescendantFonts [${descendant} 0 R] /ToUnicode ${unicode} 0 R >>`,
    );
  }

  /** The CMap that gives each code's character, in UTF-16. */
  #toUnicode() {
    const pairs = [...this.codes].map(([character, code]) => {
      const units = Array.from({ length: character.length }, (_, at) => hex(character.charCodeAt(at)));
      return `<${hex(code)}> <${units.join("")}>`;
    });
    const sections = [];
    for (let start = 0; start < pairs.length; start += MOST_IN_SECTION) {
      const section = pairs.slice(start, start + MOST_IN_SECTION);
      sections.push(`${section.length} beginbfchar\n${section.join("\n")}\nendbfchar`);
    }
    return [
      "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
      "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
      "/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
      "1 begincodespacerange <0000> <FFFF> endcodespacerange",
      ...sections,
      "endcmap CMapName currentdict /CMap defineresource pop end end",
    ].join("\n");
  }
}

/** @param {number} value */
function hex(value) {
  return value.toString(16).toUpperCase().padStart(4, "0");
}
