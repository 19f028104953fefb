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

// As in qwen_ocr/spacing.py: a character of Chinese or Japanese is a word of its own.
const CHARACTER = "[\\u3040-\\u30ff\\u3400-\\u9fff\\uf900-\\ufaff\\uff66-\\uff9f\\u{20000}-\\u{3ffff}]";
const PARTS = new RegExp(
  `\\s+|[（「『【〈《〔]*${CHARACTER}[、。，．！？：；）」』】〉》〕ー々]*|(?:(?!${CHARACTER})\\S)+`,
  "gu",
);
/**
 * The words of a text, as the model's confidence counts them.
 *
 * @param {string} text
 * @returns {{text: string, start: number}[]} And where in the text each begins.
 */
export function wordsIn(text) {
  return [...text.matchAll(PARTS)]
    .filter(([part]) => !/^\s/.test(part))
    .map((match) => ({ text: match[0], start: match.index }));
}

const SLIP = 64;
const MOST_LOST = 0.1;

/**
 * The parts of `text`, written in `tokens`. Confidences are null when the two do not agree, and of a
 * word that the tokens do not spell.
 *
 * @param {string} text
 * @param {import("./chat.js").Token[]} tokens
 * @returns {Part[]}
 */
export function partsOf(text, tokens) {
  const spelt = tokens.map(({ bytes }) => binary(bytes)).join("");
  const starts = [0];
  for (const token of tokens) starts.push(starts[starts.length - 1] + token.bytes.length);
  let place = Math.max(spelt.indexOf(encoded(text)), 0);
  let first = 0;
  let lost = 0;
  const parts = (text.match(PARTS) ?? []).map((part) => {
    const isSpace = /^\s/.test(part);
    const span = spanOf(part, isSpace, spelt, place);
    place = span ? span[1] : place;
    if (isSpace) return { text: part, confidence: null };
    if (!span) {
      lost++;
      return { text: part, confidence: null };
    }
    const [start, end] = span;
    // Past the tokens before the word, but not past one that also has the end of another word.
    while (starts[first + 1] <= start && starts[first] < start) first++;
    let logprob = 0;
    for (let i = first; i < tokens.length && starts[i] < end; i++) logprob += tokens[i].logprob;
    return { text: part, confidence: Math.exp(Math.min(logprob, 0)) };
  });
  const words = parts.filter((part) => !/^\s/.test(part.text)).length;
  return lost <= MOST_LOST * words ? parts : parts.map((part) => ({ ...part, confidence: null }));
}

/**
 * From which byte to which a part is spelt at `place` or, for a word, near it.
 *
 * @param {string} part
 * @param {boolean} isSpace
 * @param {string} spelt
 * @param {number} place
 * @returns {[number, number] | null}
 */
function spanOf(part, isSpace, spelt, place) {
  const data = encoded(part);
  if (spelt.startsWith(data, place)) return [place, place + data.length];
  if (isSpace) return null;
  let start = -1;
  for (const piece of part.split("\ufffd").filter(Boolean).map(encoded)) {
    const found = spelt.slice(place, place + piece.length + SLIP).indexOf(piece);
    if (found < 0) return null;
    if (start < 0) start = place + found;
    place += found + piece.length;
  }
  return start < 0 ? null : [start, place];
}

/** @param {string} text @returns {string} Its UTF-8, a character for each byte. */
function encoded(text) {
  return binary(new TextEncoder().encode(text));
}

/** @param {Uint8Array} bytes @returns {string} */
function binary(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
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
