/**
 * Where the text of a page stands, word by word, and on the page as people see it: as
 * qwen_ocr_tools/exports/places.py has it, so that files made here and there are the same.
 *
 * @typedef {import("./answer.js").Answer} Answer
 * @typedef {import("./answer.js").Block} Block
 * @typedef {import("./answer.js").Box} Box
 * @typedef {import("./answer.js").Line} Line
 * @typedef {{text: string, box: Box | null, confidence: number | null}} PlacedWord
 * @typedef {{box: Box, words: PlacedWord[]}} PlacedRow A line from its left to its right end, with
 *   one word at least.
 * @typedef {[number, number, number, number, number, number]} Matrix As PDF writes it: (x, y) becomes
 *   (ax + cy + e, bx + dy + f).
 */

import { boxOf } from "./answer.js";

/** The lines of a block, with those together that stand side by side. @param {Block} block */
export function linesOf(block) {
  /** @type {Line[][]} */
  const rows = [];
  for (const line of block.qwen_ocr?.lines ?? []) {
    const before = rows.at(-1)?.at(-1);
    if (before && beside(before.box, line.box)) rows[rows.length - 1].push(line);
    else rows.push([line]);
  }
  return rows;
}

/** @param {Box} left @param {Box} right Whether it stands right of the other, at the same height. */
function beside(left, right) {
  const shared = Math.min(left[3], right[3]) - Math.max(left[1], right[1]);
  const height = Math.min(left[3] - left[1], right[3] - right[1]);
  return right[0] >= left[2] && 2 * shared > height;
}

/**
 * The rows of a block that have words, from its top.
 *
 * @param {Block} block
 * @returns {PlacedRow[]}
 */
export function rowsOf(block) {
  const rows = linesOf(block);
  if (!rows.length) return block.type === "image" ? [] : spread(block.content, boxOf(block));
  return rows.flatMap((row) => {
    if (row[0].text.trim().includes("\n")) return spread(row[0].text, row[0].box);
    const words = row.flatMap(placed);
    return words.length ? [{ box: around(row.map(({ box }) => box)), words }] : [];
  });
}

/**
 * The rows of a text that stand somewhere in its box.
 *
 * @param {string} text
 * @param {Box} box
 * @returns {PlacedRow[]}
 */
function spread(text, box) {
  return text.split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/).flatMap((line) => {
    const words = pieces(line).map((word) => ({ text: word, box: null, confidence: null }));
    return words.length ? [{ box, words }] : [];
  });
}

/** @param {Line} line @returns {PlacedWord[]} */
function placed(line) {
  const texts = pieces(line.text);
  const [left, top, right, bottom] = line.box;
  let edges = joined(line.words, texts.length);
  if (edges.length < texts.length) {
    const lengths = texts.map((text) => [...text].length);
    const width = (right - left) / (lengths.reduce((sum, length) => sum + length + 1, -1) || 1);
    let at = 0;
    edges = lengths.map((length) => {
      const start = at;
      at += length + 1;
      return [rounded(left + width * start), rounded(left + width * (at - 1))];
    });
  }
  const known = line.confidence.length === texts.length;
  return texts.map((text, place) => ({
    text,
    box: [edges[place][0], top, edges[place][1], bottom],
    confidence: known ? line.confidence[place] : null,
  }));
}

/**
 * Pieces of a line, put together at the narrowest gaps until there are no more than `count`.
 *
 * @param {[number, number][]} words
 * @param {number} count
 * @returns {[number, number][]}
 */
function joined(words, count) {
  if (!count || !words.length) return [];
  const gap = (/** @type {number} */ place) => words[place][0] - words[place - 1][1];
  const widest = [...words.keys()].slice(1).sort((a, b) => gap(b) - gap(a));
  const starts = [0, ...widest.slice(0, count - 1).sort((a, b) => a - b), words.length];
  return starts.slice(1).map((end, index) => [words[starts[index]][0], words[end - 1][1]]);
}

/** @param {string} text @returns {string[]} */
export function pieces(text) {
  return text.split(/\s+/).filter(Boolean);
}

/** @param {Box[]} boxes @returns {Box} */
function around(boxes) {
  return [
    Math.min(...boxes.map((box) => box[0])),
    Math.min(...boxes.map((box) => box[1])),
    Math.max(...boxes.map((box) => box[2])),
    Math.max(...boxes.map((box) => box[3])),
  ];
}

/** Width and height in pixels of the page before it was turned. @param {Answer} answer */
export function displayedSize({ dimensions, qwen_ocr: { turned } }) {
  const { width, height } = dimensions ?? { width: 0, height: 0 };
  return turned % 180 ? [height, width] : [width, height];
}

/**
 * From pixels of the page as it was read to pixels of the page as it is displayed.
 *
 * @param {Answer} answer
 * @returns {Matrix}
 */
export function toDisplayed(answer) {
  const { turned, skew } = answer.qwen_ocr;
  const angle = ((turned + skew) * Math.PI) / 180;
  const [a, b] = [Math.cos(angle), Math.sin(angle)];
  const [width, height] = displayedSize(answer);
  const [x, y] = [(answer.dimensions?.width ?? 0) / 2, (answer.dimensions?.height ?? 0) / 2];
  return [a, b, -b, a, width / 2 - a * x + b * y, height / 2 - b * x - a * y];
}

/**
 * The box around where a box of the page stands on the page as it is displayed.
 *
 * @param {Box} box
 * @param {Answer} answer
 * @returns {Box}
 */
export function displayedBox([left, top, right, bottom], answer) {
  const [a, b, c, d, e, f] = toDisplayed(answer);
  const corners = [left, right].flatMap((x) => [top, bottom].map((y) => [x, y]));
  const across = corners.map(([x, y]) => a * x + c * y + e);
  const down = corners.map(([x, y]) => b * x + d * y + f);
  const [width, height] = displayedSize(answer);
  return [
    Math.max(0, rounded(Math.min(...across))),
    Math.max(0, rounded(Math.min(...down))),
    Math.min(width, rounded(Math.max(...across))),
    Math.min(height, rounded(Math.max(...down))),
  ];
}

/** To the nearest whole number; from the middle to the even one, as Python. @param {number} value */
export function rounded(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}
