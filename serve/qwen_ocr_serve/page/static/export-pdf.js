/**
 * PDFs whose pages look as they did and can be searched: the picture of a page, and its text, which is
 * not drawn, where it stands. As qwen_ocr_tools/exports/searchable.py makes them of images.
 */

import { blocksOf } from "./answer.js";
import { PageError } from "./errors.js";
import { displayedSize, rowsOf, toDisplayed } from "./export-places.js";
import { ADVANCE, InvisibleFont } from "./pdf-font.js";
import { PDFWriter, stream } from "./pdf-writer.js";

/**
 * @typedef {import("./answer.js").Answer} Answer
 * @typedef {import("./export-places.js").PlacedRow} PlacedRow
 * @typedef {{text: string, left: number, top: number, right: number, bottom: number}} Piece In pixels
 *   of the page as it was read.
 */

const POINTS_PER_INCH = 72;
const LONGEST = 842; // points, A4's, of a picture that does not say how large it was
const JPEG_QUALITY = 0.85;
/** Of a box's width and height, around lines whose places in it are not known. */
const MARGIN = 0.05;
/** Of the box's height: the most that one of these lines takes. */
const TALLEST = 0.05;

/**
 * @param {{answer: Answer, picture: () => Promise<Blob>}[]} pages One is held at a time.
 * @returns {Promise<Blob>} Throws what `picture` throws.
 */
export async function searchablePdf(pages) {
  const pdf = new PDFWriter();
  const font = new InvisibleFont();
  const [catalog, tree, fontId] = [pdf.reserve(), pdf.reserve(), pdf.reserve()];
  const ids = [];
  for (const { answer, picture } of pages) {
    const { data, width, height } = await jpegOf(await picture());
    const image = pdf.add(
      stream(
        `/Type /XObject /Subtype /Image /Width ${width} /Height ${height}` +
          " /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode",
        data,
      ),
    );
    const [across, down] = displayedSize(answer);
    const [wide, high] = pointsOf(answer, width, height);
    let drawing = `q ${wide} 0 0 ${high} 0 0 cm /I Do Q`;
    let form = "";
    if (across && down) {
      const text = pdf.add(
        stream(
          "/Type /XObject /Subtype /Form" +
            ` /BBox [0 0 ${answer.dimensions?.width} ${answer.dimensions?.height}]` +
            ` /Resources << /Font << /F ${fontId} 0 R >> >>`,
          drawn(answer, font),
        ),
      );
      form = ` /F ${text} 0 R`;
      // The turn is around the text and not in it: PDFium leaves out upright text without ink.
      const [a, b, c, d, e, f] = toDisplayed(answer);
      const [x, y] = [wide / across, high / down];
      const place = [a * x, -b * y, c * x, -d * y, e * x, high - f * y];
      drawing += ` q ${place.map((value) => value.toFixed(6)).join(" ")} cm /F Do Q`;
    }
    const content = pdf.add(stream("", drawing));
    ids.push(
      pdf.add(
        `<< /Type /Page /Parent ${tree} 0 R /MediaBox [0 0 ${wide} ${high}] /Contents ${content} 0 R` +
          ` /Resources << /XObject << /I ${image} 0 R${form} >> >> >>`,
      ),
    );
  }
  font.write(pdf, fontId);
  const kids = ids.map((id) => `${id} 0 R`).join(" ");
  pdf.put(tree, `<< /Type /Pages /Count ${ids.length} /Kids [${kids}] >>`);
  pdf.put(catalog, `<< /Type /Catalog /Pages ${tree} 0 R >>`);
  return pdf.finish(catalog);
}

/**
 * @param {Answer} answer
 * @param {number} width Of its picture, in pixels.
 * @param {number} height
 * @returns {[number, number]} The size of the page in points.
 */
function pointsOf({ dimensions }, width, height) {
  const dpi = dimensions?.dpi ?? 0;
  const known = dpi > POINTS_PER_INCH;
  const scale = known ? POINTS_PER_INCH / dpi : LONGEST / Math.max(width, height);
  return [Number((width * scale).toFixed(2)), Number((height * scale).toFixed(2))];
}

/** @param {Blob} picture The browser turns it as it says itself that it is to be turned. */
async function jpegOf(picture) {
  const bitmap = await createImageBitmap(picture);
  const { width, height } = bitmap;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const blob = await new Promise((resolve, reject) => {
    canvas.toBlob(
      (made) => (made ? resolve(made) : reject(new PageError("noCanvas"))),
      "image/jpeg",
      JPEG_QUALITY,
    );
  });
  return { data: /** @type {Blob} */ (blob), width, height };
}

/** The text as operators of a content stream. @param {Answer} answer @param {InvisibleFont} font */
function drawn(answer, font) {
  const text = ["BT 3 Tr"];
  for (const piece of blocksOf(answer).flatMap((block) => piecesOf(rowsOf(block)))) {
    const size = piece.bottom - piece.top;
    if (size <= 0 || piece.left >= piece.right) continue;
    const natural = ([...piece.text.trimEnd()].length * size * ADVANCE) / 1000;
    const stretch = (100 * (piece.right - piece.left)) / natural;
    const [height, wide, left, bottom] = [size, stretch, piece.left, piece.bottom].map((value) =>
      value.toFixed(3),
    );
    // Pixels count downwards, and letters stand upwards.
    text.push(`/F ${height} Tf ${wide} Tz 1 0 0 -1 ${left} ${bottom} Tm ${font.encode(piece.text)} Tj`);
  }
  return [...text, "ET"].join("\n");
}

/**
 * The words of a block where they stand; its lines where it is not known more exactly. A space goes
 * with each word but the last of its line, for programs that look for it.
 *
 * @param {PlacedRow[]} rows
 * @returns {Piece[]}
 */
function piecesOf(rows) {
  const isKnown = (/** @type {PlacedRow} */ { words }) => words.every(({ box }) => box);
  const known = rows.filter(isKnown).flatMap(({ words }) =>
    words.flatMap(({ text, box }, place) => {
      if (!box) return [];
      const [left, top, right, bottom] = box;
      return [{ text: place < words.length - 1 ? `${text} ` : text, left, top, right, bottom }];
    }),
  );
  return [...known, ...spread(rows.filter((row) => !isKnown(row)))];
}

/** Rows of one box, one below the other in it. @param {PlacedRow[]} rows @returns {Piece[]} */
function spread(rows) {
  const texts = rows.map(({ words }) => words.map(({ text }) => text).join(" "));
  const lengths = texts.map((text) => [...text].length);
  const longest = Math.max(0, ...lengths);
  const pitch = Math.min((1 - 2 * MARGIN) / Math.max(texts.length, 1), TALLEST);
  return rows.map(({ box: [left, top, right, bottom] }, index) => {
    const [width, height] = [right - left, bottom - top];
    return {
      text: texts[index],
      left: left + MARGIN * width,
      top: top + (MARGIN + index * pitch) * height,
      right: left + (MARGIN + ((1 - 2 * MARGIN) * lengths[index]) / longest) * width,
      bottom: top + (MARGIN + (index + 0.8) * pitch) * height,
    };
  });
}
