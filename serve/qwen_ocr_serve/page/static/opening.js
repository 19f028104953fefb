/** From a file to a document: what it is, told by its bytes, and how many pages it has. */

import { PageError } from "./errors.js";
import { draw } from "./images.js";
import { pageCount } from "./pdf.js";
import { renderByServer } from "./server-pages.js";

/** @typedef {import("./documents.js").Kind} Kind */

const OFFICE = /\.(docx|xlsx|pptx|odt|ods|odp|pages|numbers|key)$/i;
const HEIC = /\.(heic|heif)$/i; // Safari opens them

/** What files that are no pages begin with, and the key of the advice for them. */
const ADVICE = [
  { advice: "officeFile", head: "PK\x03\x04", names: OFFICE },
  { advice: "officeFile", head: "\xd0\xcf\x11\xe0", names: /./ },
  { advice: "officeFile", head: "{\\rtf", names: /./ },
  { advice: "archiveFile", head: "PK\x03\x04", names: /./ },
  { advice: "archiveFile", head: "\x1f\x8b", names: /./ },
];

/** What browsers do not open, and the server does: TIFF, BigTIFF, JPEG 2000. */
const FOR_THE_SERVER = ["II*\0", "MM\0*", "II+\0", "MM\0+", "\0\0\0\x0cjP  ", "\xffO\xffQ"];

/** What browsers and the server open, by what it begins with. Anything else becomes a PNG. */
const PICTURES = [
  { type: "image/jpeg", head: /^\xff\xd8\xff/ },
  { type: "image/png", head: /^\x89PNG\r\n\x1a\n/ },
  { type: "image/webp", head: /^RIFF[^]{4}WEBP/ },
  { type: "image/gif", head: /^GIF8[79]a/ },
  { type: "image/bmp", head: /^BM/ },
  { type: "image/avif", head: /^[^]{4}ftypavif/ },
];

/**
 * @param {File} file
 * @param {import("./config.js").Config} config
 * @returns {Promise<{kind: Kind, count: number, file: Blob}>} `file` in a form that the server
 *   reads. Throws `PageError` with advice that fits.
 */
export async function inspect(file, config) {
  if (!file.size) throw new PageError("emptyFile", { values: { name: file.name } });
  const head = latin1(await file.slice(0, 1024).arrayBuffer());
  if (head.includes("%PDF-")) return { kind: "pdf", count: await pageCount(file), file };
  if (FOR_THE_SERVER.some((magic) => head.startsWith(magic))) {
    const { count } = await renderByServer(file, 0, config, { width: 16 });
    return { kind: "server", count, file };
  }
  const values = { name: file.name };
  const known = ADVICE.find((kind) => head.startsWith(kind.head) && kind.names.test(file.name));
  if (known) throw new PageError(known.advice, { values });
  const type = PICTURES.find((format) => format.head.test(head))?.type;
  const typed = type ? new Blob([file], { type }) : file;
  const bitmap = await createImageBitmap(typed).catch(() => null);
  if (!bitmap && HEIC.test(file.name)) throw new PageError("heicFile", { values });
  if (!bitmap) throw new PageError(isText(head) ? "textFile" : "unreadable", { values });
  const picture = type ? typed : await draw(bitmap, [bitmap.width, bitmap.height], null);
  bitmap.close();
  return { kind: "picture", count: 1, file: picture };
}

/** @param {ArrayBuffer} bytes @returns {string} A character for each byte. */
function latin1(bytes) {
  return String.fromCharCode(...new Uint8Array(bytes));
}

/** @param {string} head */
function isText(head) {
  return !/[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(head);
}
