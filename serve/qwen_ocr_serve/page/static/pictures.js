/** Pictures of pages: the last few are kept, because people go back and forth. */

import { renderPdfPage } from "./pdf.js";
import { renderByServer } from "./server-pages.js";

/** @typedef {import("./documents.js").DocumentPage} DocumentPage */

const KEPT = 12;
export const THUMBNAIL_WIDTH = 160;

export class Pictures {
  /** @param {import("./config.js").Config} config */
  constructor(config) {
    this.config = config;
    /** @type {Map<DocumentPage, Promise<Blob>>} The one used last is last. */
    this.kept = new Map();
  }

  /**
   * The picture that is read, the same object as long as it is kept.
   *
   * @param {DocumentPage} page
   * @returns {Promise<Blob>} Throws `PageError`.
   */
  of(page) {
    const picture = this.kept.get(page) ?? this.#render(page);
    this.kept.delete(page);
    this.kept.set(page, picture);
    picture.catch(() => this.kept.delete(page)); // so that the next attempt is one
    for (const other of this.kept.keys()) {
      if (this.kept.size <= KEPT) break;
      this.kept.delete(other);
    }
    return picture;
  }

  /**
   * @param {DocumentPage} page
   * @param {AbortSignal} signal
   * @returns {Promise<Blob>}
   */
  async thumbnail(page, signal) {
    if (page.document.kind === "picture") return shrink(page.document.file, signal);
    return this.#render(page, { width: THUMBNAIL_WIDTH, signal });
  }

  /**
   * @param {DocumentPage} page
   * @param {{width?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<Blob>}
   */
  async #render({ document, index }, options) {
    if (document.kind === "pdf") return renderPdfPage(document.file, index, options);
    if (document.kind === "picture") return document.file;
    return (await renderByServer(document.file, index, this.config, options)).blob;
  }
}

/**
 * A photograph of 50 megapixels is not shown as a thumbnail as it is: the strip would stutter.
 *
 * @param {Blob} file
 * @param {AbortSignal} signal
 * @returns {Promise<Blob>}
 */
async function shrink(file, signal) {
  const bitmap = await createImageBitmap(file, {
    imageOrientation: "from-image",
    resizeWidth: THUMBNAIL_WIDTH,
    resizeQuality: "medium",
  });
  signal.throwIfAborted();
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no memory"))), "image/png");
  });
}
