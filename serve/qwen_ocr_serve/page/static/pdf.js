/** A PDF's pages as pictures, made by pdf.js in this browser: the file itself is sent nowhere. */

import { askForPassword } from "./dialogs.js";
import { PageError } from "./errors.js";

/** @typedef {typeof import("./vendor/pdfjs/pdf.min.mjs")} Library */

const FOLDER = "/page/vendor/pdfjs";
const POINTS = 72; // an inch
export const DPI = 200;
const LONGEST = 4096; // pixels of a side: a poster at 200 dpi would be larger than a canvas may be
const MOST_OPEN = 4; // documents that pdf.js holds at a time
const JPEG_QUALITY = 0.92;
const SILENT = 0; // what is wrong with a file is said by its errors

/** @type {Promise<Library> | null} Loaded with the first PDF. */
let loading = null;
/** @type {import("./vendor/pdfjs/pdf.min.mjs").PDFWorker | null} One for all documents. */
let worker = null;
/** @type {Map<Blob, import("./vendor/pdfjs/pdf.min.mjs").LoadingTask>} The one used last is last. */
const open = new Map();
/** @type {WeakMap<Blob, string>} Those that were given, for when a document is opened again. */
const passwords = new WeakMap();
/** Pages are drawn one after the other. */
let turn = Promise.resolve();

/**
 * @param {Blob} file
 * @returns {Promise<number>} Throws `PageError`.
 */
export async function pageCount(file) {
  return (await documentOf(file)).numPages;
}

/**
 * @param {Blob} file
 * @param {number} index From 0.
 * @param {{width?: number, signal?: AbortSignal}} [options] Pixels across; 200 dpi if left out.
 * @returns {Promise<Blob>} A JPEG. Throws `PageError`, and `AbortError` when it is not wanted anymore.
 */
export function renderPdfPage(file, index, options = {}) {
  const mine = turn.then(() => draw(file, index, options));
  turn = mine.then(
    () => {},
    () => {},
  );
  return mine;
}

/**
 * @param {Blob} file
 * @param {number} index
 * @param {{width?: number, signal?: AbortSignal}} options
 */
async function draw(file, index, { width, signal }) {
  signal?.throwIfAborted();
  const document_ = await documentOf(file);
  const canvas = document.createElement("canvas");
  try {
    const page = await document_.getPage(index + 1);
    const whole = page.getViewport({ scale: 1 });
    const scale = Math.min(
      width ? width / whole.width : DPI / POINTS,
      LONGEST / Math.max(whole.width, whole.height),
    );
    const viewport = page.getViewport({ scale });
    canvas.width = Math.max(1, Math.round(viewport.width));
    canvas.height = Math.max(1, Math.round(viewport.height));
    // "print" goes on in a tab that nobody looks at; "display" waits for frames.
    const task = page.render({ canvas, viewport, intent: "print", background: "white" });
    const cancel = () => task.cancel();
    signal?.addEventListener("abort", cancel);
    await task.promise.finally(() => signal?.removeEventListener("abort", cancel));
    page.cleanup();
    return await toJpeg(canvas);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof PageError) throw error;
    throw new PageError("pdfPage", { detail: messageOf(error), values: { page: index + 1 } });
  } finally {
    canvas.width = canvas.height = 0; // gives its memory back at once
  }
}

/**
 * @param {Blob} file
 * @returns {Promise<import("./vendor/pdfjs/pdf.min.mjs").PDFDocument>}
 */
async function documentOf(file) {
  loading ??= import("./vendor/pdfjs/pdf.min.mjs");
  const library = await loading;
  library.GlobalWorkerOptions.workerSrc = `${FOLDER}/pdf.worker.min.mjs`;
  worker ??= new library.PDFWorker({ verbosity: SILENT });
  let task = open.get(file);
  if (!task) {
    task = library.getDocument({
      range: rangesOf(file, library),
      password: passwords.get(file),
      worker,
      disableAutoFetch: true,
      disableStream: true,
      cMapUrl: `${FOLDER}/cmaps/`,
      standardFontDataUrl: `${FOLDER}/standard_fonts/`,
      wasmUrl: `${FOLDER}/wasm/`,
      verbosity: SILENT,
    });
    task.onPassword = passwordOf(file, library);
  }
  open.delete(file);
  open.set(file, task);
  for (const [other, least] of open) {
    if (open.size <= MOST_OPEN) break;
    open.delete(other);
    least.destroy();
  }
  try {
    return await task.promise;
  } catch (error) {
    open.delete(file);
    const locked = error instanceof Error && error.name === "PasswordException";
    throw new PageError(locked ? "pdfLocked" : "pdfBroken", { detail: messageOf(error) });
  }
}

/**
 * What gives pdf.js the password of a file, or an error if nobody knows it, which makes it give up.
 *
 * @param {Blob} file
 * @param {Library} library
 */
function passwordOf(file, { PasswordResponses }) {
  /** @param {(password: string | Error) => void} use @param {number} reason */
  return async (use, reason) => {
    const name = file instanceof File ? file.name : "PDF";
    const refused = reason === PasswordResponses.INCORRECT_PASSWORD;
    const password = await askForPassword(name, refused);
    if (password !== null) passwords.set(file, password);
    use(password ?? new Error("no password was given"));
  };
}

/**
 * Parts of a file, read when pdf.js asks for them: a file of any size takes no memory.
 *
 * @param {Blob} file
 * @param {Library} library
 */
function rangesOf(file, { PDFDataRangeTransport }) {
  const ranges = new PDFDataRangeTransport(file.size, null);
  ranges.requestDataRange = async (begin, end) => {
    const part = await file.slice(begin, end).arrayBuffer();
    ranges.onDataRange(begin, new Uint8Array(part));
  };
  return ranges;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<Blob>}
 */
function toJpeg(canvas) {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new PageError("noCanvas"))),
      "image/jpeg",
      JPEG_QUALITY,
    );
  });
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
