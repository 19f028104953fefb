/**
 * How sure the model was of each word, as in qwen_ocr/confidence.py: the product of the
 * probabilities of all tokens that have a part in the word.
 *
 * @typedef {{text: string, confidence: number | null}} Part A word, or the white space between two,
 *   which has no confidence.
 */

/** Words below the first are doubtful, below the second not quite sure. */
export const DOUBTFUL = 0.5;
export const SURE = 0.9;

/**
 * The parts of `text`, written in `tokens`. Confidences are null when the two do not agree.
 *
 * @param {string} text
 * @param {import("./chat.js").Token[]} tokens
 * @returns {Part[]}
 */
export function partsOf(text, tokens) {
  const encoder = new TextEncoder();
  const parts = text.match(/\s+|\S+/g) ?? [];
  if (!spells(tokens, encoder.encode(text))) {
    return parts.map((part) => ({ text: part, confidence: null }));
  }
  const starts = [0];
  for (const token of tokens) starts.push(starts[starts.length - 1] + token.bytes.length);
  let first = 0;
  let end = 0;
  return parts.map((part) => {
    const start = end;
    end += encoder.encode(part).length;
    if (/^\s/.test(part)) return { text: part, confidence: null };
    // Past the tokens before the word, but not past one that also has the end of another word.
    while (starts[first + 1] <= start && starts[first] < start) first++;
    let logprob = 0;
    for (let i = first; i < tokens.length && starts[i] < end; i++) logprob += tokens[i].logprob;
    return { text: part, confidence: Math.exp(Math.min(logprob, 0)) };
  });
}

/**
 * Whether the bytes of the tokens begin with `bytes`: tokens may go on after the text.
 *
 * @param {import("./chat.js").Token[]} tokens
 * @param {Uint8Array} bytes
 */
function spells(tokens, bytes) {
  let at = 0;
  for (const token of tokens) {
    for (const byte of token.bytes) {
      if (at === bytes.length) return true;
      if (byte !== bytes[at++]) return false;
    }
  }
  return at === bytes.length;
}

/**
 * The confidence of a whole text, 0 to 1: the mean of its words'; null when there are none.
 *
 * @param {Part[]} parts
 * @returns {number | null}
 */
export function meanConfidence(parts) {
  const values = parts.flatMap(({ confidence }) => (confidence === null ? [] : [confidence]));
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

/**
 * Why a text is doubtful, as `warnings_of` in qwen_ocr/confidence.py.
 *
 * @param {string} text
 * @param {number | null} confidence
 * @param {number} low The confidence below which a page is flagged.
 * @returns {"no_text" | "low_confidence" | null}
 */
export function warningOf(text, confidence, low) {
  if (!text.trim()) return "no_text";
  return confidence !== null && confidence < low ? "low_confidence" : null;
}
