/** From whatever file the user has to a picture that the model can read. */

import { PageError } from "./errors.js";
import { fit } from "./family.js";

/**
 * @typedef {object} Picture
 * @property {Blob} blob What is sent: JPEG, PNG or WebP.
 * @property {import("./family.js").Size} size Of what is sent.
 * @property {import("./family.js").Size} full Of what was given.
 * @property {string} name
 */

const JPEG_QUALITY = 0.95;

/**
 * What EXIF begins with. It may say that the picture lies on its side, which browsers follow and
 * models do not. A false alarm costs no more than drawing the picture anew.
 */
const EXIF = { "image/jpeg": "Exif\0\0", "image/png": "eXIf", "image/webp": "EXIF" };

/**
 * The picture in a file: upright and within the family's budget. Bytes that need nothing are sent
 * untouched.
 *
 * @param {Blob} file
 * @param {string} name
 * @param {import("./config.js").Family} family
 * @returns {Promise<Picture>}
 */
export async function prepare(file, name, family) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const type = typeOf(bytes);
  const bitmap = await createImageBitmap(new Blob([bytes], { type: type ?? file.type }), {
    imageOrientation: "from-image",
  }).catch(() => {
    throw new PageError("unreadable", { values: { name } });
  });
  /** @type {import("./family.js").Size} */
  const full = [bitmap.width, bitmap.height];
  // A page for a model that reads blocks is read in pieces by the server.
  const size = family.reads_pages ? fit(family, full) : full;
  if (Math.max(...size) > family.max_aspect_ratio * Math.min(...size)) {
    throw new PageError("tooThin", {
      values: { width: full[0], height: full[1], ratio: family.max_aspect_ratio },
    });
  }
  const fits = size[0] === full[0] && size[1] === full[1];
  const untouched = type && fits && !asText(bytes).includes(EXIF[type]);
  const blob = untouched ? new Blob([bytes], { type }) : await draw(bitmap, size, type);
  bitmap.close();
  return { blob, size, full, name };
}

/**
 * @param {Blob} blob
 * @returns {Promise<string>} A `data:` URL.
 */
export function toDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/**
 * The media type of bytes that models read as they are, told by the bytes: names are often wrong.
 *
 * @param {Uint8Array} bytes
 * @returns {keyof typeof EXIF | null}
 */
function typeOf(bytes) {
  const head = String.fromCharCode(...bytes.subarray(0, 12));
  if (head.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (head.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (/^RIFF[^]{4}WEBP/.test(head)) return "image/webp";
  return null;
}

/** @param {Uint8Array} bytes As text, in which only ASCII can be relied on. */
function asText(bytes) {
  return new TextDecoder("latin1").decode(bytes);
}

/**
 * A bitmap as a file again.
 *
 * @param {ImageBitmap} bitmap
 * @param {import("./family.js").Size} size
 * @param {string | null} type Photographs stay JPEG, everything else becomes PNG.
 * @returns {Promise<Blob>}
 */
export async function draw(bitmap, [width, height], type) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context) throw new PageError("noCanvas");
  context.fillStyle = "white"; // under what is transparent
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new PageError("noCanvas"))),
      type === "image/jpeg" ? type : "image/png",
      JPEG_QUALITY,
    );
  });
}
