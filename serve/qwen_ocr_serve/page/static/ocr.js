/** One page, read by `POST /v1/ocr`: the request, and the events of its answer. */

import { PageError } from "./errors.js";
import { events, send } from "./http.js";
import { toDataUrl } from "./images.js";

/** @typedef {import("./answer.js").Answer} Answer */

/**
 * @param {Blob} picture
 * @param {{signal: AbortSignal, onText: (text: string) => void}} options `onText` gets all the text
 *   so far, as the model writes it; what counts is the answer.
 * @returns {Promise<Answer>}
 */
export async function readPage(picture, { signal, onText }) {
  const request = {
    document: { type: "image_url", image_url: await toDataUrl(picture) },
    include_blocks: true,
    include_image_base64: true,
    confidence_scores_granularity: "word",
    stream: true,
    stream_text: true,
  };
  const response = await send("/v1/ocr", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
    signal,
  });
  let text = "";
  /** @type {Answer | null} */
  let answer = null;
  for await (const event of events(response)) {
    if (typeof event.delta === "string") onText((text += event.delta));
    else if (typeof event.markdown === "string") answer = event;
  }
  const requestId = response.headers.get("x-request-id");
  if (!answer) throw new PageError("cutConnection", { requestId });
  const { error } = answer.qwen_ocr;
  if (error) throw new PageError("pageFailed", { detail: error.message, requestId });
  return answer;
}
