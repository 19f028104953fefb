/** The frame of a PDF file: objects, and where each begins (ISO 32000-1, 7.5). */

/** @typedef {(string | Uint8Array<ArrayBuffer> | Blob)[]} Parts */

const HEADER = "%PDF-1.7\n";

/**
 * A stream object.
 *
 * @param {string} dictionary Its entries but the length.
 * @param {string | Uint8Array<ArrayBuffer> | Blob} data ASCII, if it is a text.
 * @returns {Parts}
 */
export function stream(dictionary, data) {
  return [`<< ${dictionary} /Length ${sizeOf(data)} >>\nstream\n`, data, "\nendstream"];
}

export class PDFWriter {
  constructor() {
    /** @type {Parts} */
    this.parts = [HEADER];
    this.size = HEADER.length;
    /** @type {number[]} Where the objects begin, by their numbers less 1. */
    this.offsets = [];
  }

  /** @returns {number} The number of an object that comes later. */
  reserve() {
    return this.offsets.push(0);
  }

  /** @param {string | Parts} content @returns {number} Its number. */
  add(content) {
    const id = this.reserve();
    this.put(id, content);
    return id;
  }

  /** @param {number} id @param {string | Parts} content */
  put(id, content) {
    this.offsets[id - 1] = this.size;
    const inside = typeof content === "string" ? [content] : content;
    for (const part of [`${id} 0 obj\n`, ...inside, "\nendobj\n"]) {
      this.parts.push(part);
      this.size += sizeOf(part);
    }
  }

  /** @param {number} catalog Its number. @returns {Blob} The file. */
  finish(catalog) {
    const count = this.offsets.length + 1;
    const entries = this.offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`);
    const table = `xref\n0 ${count}\n0000000000 65535 f \n${entries.join("")}`;
    const trailer = `trailer\n<< /Size ${count} /Root ${catalog} 0 R >>\nstartxref\n${this.size}\n%%EOF\n`;
    return new Blob([...this.parts, table, trailer], { type: "application/pdf" });
  }
}

/** @param {string | Uint8Array | Blob} part In bytes. */
function sizeOf(part) {
  if (typeof part === "string") return part.length;
  return part instanceof Blob ? part.size : part.length;
}
