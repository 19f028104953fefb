/** Pages of files that no browser opens, TIFFs above all: the server makes pictures of them. */

import { PageError } from "./errors.js";
import { send } from "./http.js";

/**
 * @param {Blob} file
 * @param {number} index From 0.
 * @param {import("./config.js").Config} config
 * @param {{width?: number, signal?: AbortSignal}} [options] Pixels across at most.
 * @returns {Promise<{blob: Blob, count: number}>} The page, a PNG, and the number of pages.
 */
export async function renderByServer(file, index, config, { width, signal } = {}) {
  if (file.size > config.pdf.max_bytes) {
    throw new PageError("fileTooLarge", { values: { size: config.pdf.max_bytes >> 20 } });
  }
  const query = new URLSearchParams({ page: String(index + 1) });
  if (width) query.set("width", String(width));
  const response = await send(`${config.pdf.path}?${query}`, {
    method: "POST",
    headers: { "Content-Type": file.type || "application/octet-stream" },
    body: file,
    signal,
  });
  return { blob: await response.blob(), count: Number(response.headers.get("x-page-count")) };
}
