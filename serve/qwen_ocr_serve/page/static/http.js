/** Requests to the server, and the events of its streamed answers. */

import { PageError, errorOf, messageOf } from "./errors.js";
import { authorization } from "./key.js";

/**
 * `fetch` with the key, whose failures are errors.
 *
 * @param {string} url
 * @param {RequestInit} options
 * @returns {Promise<Response>}
 */
export async function send(url, options) {
  let response;
  try {
    response = await fetch(url, {
      ...options,
      headers: { ...options.headers, ...authorization() },
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new PageError("unreachable");
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

/**
 * The JSON of server-sent events, of which each has one line of it here, up to `[DONE]`. Throws
 * `PageError` when the stream breaks, ends too early, or brings an error.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<any>}
 */
export async function* events(response) {
  const requestId = response.headers.get("x-request-id");
  let ended = false;
  for await (const data of lines(response, requestId)) {
    ended ||= data === "[DONE]";
    if (ended) continue; // to the end of the stream, so that the server sees nobody leave
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      throw new PageError("failed", { detail: data.slice(0, 200), requestId });
    }
    if (event.error) throw new PageError("failed", { detail: messageOf(event), requestId });
    yield event;
  }
  if (!ended) throw new PageError("cutConnection", { requestId });
}

/**
 * @param {Response} response
 * @param {string | null} requestId
 * @returns {AsyncGenerator<string>}
 */
async function* lines(response, requestId) {
  const body = /** @type {ReadableStream<Uint8Array>} */ (response.body);
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const found = (rest + decoder.decode(value, { stream: !done })).split(/\r?\n/);
      rest = done ? "" : /** @type {string} */ (found.pop());
      for (const line of found) if (line.startsWith("data:")) yield line.slice(5).trim();
      if (done) return;
    }
  } catch (error) {
    if (error instanceof TypeError) throw new PageError("cutConnection", { requestId });
    throw error;
  } finally {
    await reader.cancel().catch(() => {});
  }
}
