/** One reading: the request to `/v1/chat/completions`, and the events of its streamed answer. */

import { PageError } from "./errors.js";
import { events, send } from "./http.js";

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
  for await (const chunk of events(response)) {
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
 * @param {{token: string, logprob: number, bytes: number[] | null}} token
 * @returns {Token}
 */
function toToken({ token, logprob, bytes }) {
  return { bytes: bytes ? Uint8Array.from(bytes) : new TextEncoder().encode(token), logprob };
}
