/** One reading: the request to `/v1/chat/completions`, and the events of its streamed answer. */

import { PageError, errorOf, messageOf } from "./errors.js";
import { authorization } from "./key.js";

/**
 * @typedef {{bytes: Uint8Array, logprob: number}} Token One token of an answer, see confidence.js.
 * @typedef {{prompt_tokens: number, completion_tokens: number}} Usage
 *
 * @typedef {object} Piece What one event adds to the answer.
 * @property {string} text
 * @property {Token[]} tokens
 * @property {string | null} finishReason
 * @property {string | number | null} stopReason
 * @property {Usage | null} usage
 */

/**
 * Yields what the model writes, as it writes it. Throws `PageError`, and `AbortError` when stopped.
 *
 * @param {Record<string, unknown>} template The request, less its messages.
 * @param {string} imageUrl A `data:` URL.
 * @param {string} prompt
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Piece>}
 */
export async function* read(template, imageUrl, prompt, signal) {
  const content = [
    { type: "image_url", image_url: { url: imageUrl } },
    { type: "text", text: prompt },
  ];
  const response = await send("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...template, messages: [{ role: "user", content }] }),
    signal,
  });
  const requestId = response.headers.get("x-request-id");
  let ended = false;
  for await (const data of events(response)) {
    if (data === "[DONE]") break;
    const chunk = parse(data, requestId);
    const choice = chunk.choices?.[0];
    ended ||= Boolean(choice?.finish_reason);
    yield {
      text: choice?.delta?.content ?? "",
      tokens: (choice?.logprobs?.content ?? []).map(toToken),
      finishReason: choice?.finish_reason ?? null,
      stopReason: choice?.stop_reason ?? null,
      usage: chunk.usage ?? null,
    };
  }
  if (!ended) throw new PageError("cutConnection", { requestId });
}

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
 * The data of server-sent events, of which each has one line of it here.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<string>}
 */
async function* events(response) {
  const body = /** @type {ReadableStream<Uint8Array>} */ (response.body);
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const lines = (rest + decoder.decode(value, { stream: !done })).split(/\r?\n/);
      rest = done ? "" : /** @type {string} */ (lines.pop());
      for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
      if (done) return;
    }
  } catch (error) {
    if (error instanceof TypeError) {
      throw new PageError("cutConnection", { requestId: response.headers.get("x-request-id") });
    }
    throw error;
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/**
 * @param {string} data
 * @param {string | null} requestId
 * @returns {any}
 */
function parse(data, requestId) {
  let chunk;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new PageError("failed", { detail: data.slice(0, 200), requestId });
  }
  if (chunk.error) throw new PageError("failed", { detail: messageOf(chunk), requestId });
  return chunk;
}

/**
 * @param {{token: string, logprob: number, bytes: number[] | null}} token
 * @returns {Token}
 */
function toToken({ token, logprob, bytes }) {
  return { bytes: bytes ? Uint8Array.from(bytes) : new TextEncoder().encode(token), logprob };
}
