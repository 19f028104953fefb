/**
 * One page of the answer of `POST /v1/ocr`: its types, its words with their places, corrections.
 *
 * Boxes are in pixels of the upright page, whose size is `dimensions`.
 *
 * @typedef {object} Answer
 * @property {number} index
 * @property {string} markdown
 * @property {Figure[]} images
 * @property {{dpi: number, height: number, width: number} | null} dimensions
 * @property {any[]} tables
 * @property {Block[]} [blocks] In reading order.
 * @property {{word_confidence_scores?: Score[]}} [confidence_scores]
 * @property {Reading} qwen_ocr
 *
 * @typedef {object} Reading What our server adds about a page.
 * @property {number | null} confidence
 * @property {string[]} warnings
 * @property {number} turned Degrees by which the page was turned, counter-clockwise: 0, 90, 180, 270.
 * @property {number} skew Degrees, counter-clockwise, by which it was turned further to be level.
 * @property {boolean} text_layer
 * @property {{code: string, message: string}} [error]
 *
 * @typedef {{id: string, image_base64: string | null} & Corners} Figure With a `data:` URL of a JPEG.
 *
 * @typedef {{text: string, confidence: number, start_index: number}} Score Place in `markdown`.
 *
 * @typedef {{top_left_x: number, top_left_y: number, bottom_right_x: number,
 *   bottom_right_y: number}} Corners
 *
 * @typedef {BlockContent & Corners} Block
 *
 * @typedef {object} BlockContent
 * @property {string} type title, text, table, image, header, footer, list, …
 * @property {string} content Markdown, in which there may be HTML and LaTeX.
 * @property {string} [image_id]
 * @property {{lines: Line[]}} qwen_ocr
 *
 * @typedef {object} Line Of a row that has several cells or columns, each is a line.
 * @property {string} text
 * @property {Box} box
 * @property {[number, number][]} words Left and right of each piece between white space in the
 *   picture: not always as many as `text` has words.
 * @property {number[]} confidence 0 to 1, of each word in `text`.
 * @property {Record<string, string>} [corrected] What the model had read, by the place of the word
 *   in `text` that a person wrote or confirmed instead.
 *
 * @typedef {[number, number, number, number]} Box Left, top, right, bottom.
 *
 * @typedef {object} PlacedWord
 * @property {string} text
 * @property {number} start Where it begins in the text of its line.
 * @property {number} line Which line of its block.
 * @property {number} place Which word of that line.
 * @property {Box | null} box
 * @property {number | null} confidence
 * @property {string | null} read What the model had read, if a person corrected or confirmed it.
 */

import { wordsIn } from "./confidence.js";

/**
 * The blocks of a page; all of its text as one where the server sent none.
 *
 * @param {Answer} answer
 * @returns {Block[]}
 */
export function blocksOf({ blocks, markdown, dimensions }) {
  if (blocks?.length || !markdown) return blocks ?? [];
  const { width, height } = dimensions ?? { width: 0, height: 0 };
  const corners = { top_left_x: 0, top_left_y: 0, bottom_right_x: width, bottom_right_y: height };
  return [{ type: "text", content: markdown, ...corners, qwen_ocr: { lines: [] } }];
}

/** @param {Corners} place @returns {Box} */
export function boxOf(place) {
  return [place.top_left_x, place.top_left_y, place.bottom_right_x, place.bottom_right_y];
}

/**
 * The words of a block, line by line.
 *
 * @param {Block} block
 * @returns {PlacedWord[]}
 */
export function wordsOf(block) {
  return (block.qwen_ocr?.lines ?? []).flatMap((line, index) => {
    const words = wordsIn(line.text);
    const edges = edgesOf(line, words);
    const known = line.confidence.length === words.length;
    return words.map(({ text, start }, place) => ({
      text,
      start,
      line: index,
      place,
      /** @type {Box | null} */
      box: edges && [edges[place][0], line.box[1], edges[place][1], line.box[3]],
      confidence: known ? line.confidence[place] : null,
      read: line.corrected?.[place] ?? null,
    }));
  });
}

/**
 * Left and right of each word. Where the picture has more pieces than the text has words, the widest
 * gaps are those between words; where it has fewer, each word takes the part of the line that it has
 * of the characters. Null for a text whose lines are not known.
 *
 * @param {Line} line
 * @param {{text: string, start: number}[]} words
 * @returns {[number, number][] | null}
 */
function edgesOf({ text, box, words: pieces }, words) {
  if (text.includes("\n")) return null;
  if (pieces.length >= words.length) {
    const gaps = pieces.slice(1).map(([left], index) => left - pieces[index][1]);
    const widest = [...gaps.keys()].sort((a, b) => gaps[b] - gaps[a] || a - b);
    const starts = widest.slice(0, words.length - 1).sort((a, b) => a - b);
    const bounds = [0, ...starts.map((gap) => gap + 1), pieces.length];
    return words.map((_, index) => [pieces[bounds[index]][0], pieces[bounds[index + 1] - 1][1]]);
  }
  const width = (box[2] - box[0]) / Math.max(text.length, 1);
  return words.map(({ text: word, start }) => [
    Math.round(box[0] + width * start),
    Math.round(box[0] + width * (start + word.length)),
  ]);
}

/**
 * The answer with a correction. What is unchanged is shared with the answer given.
 *
 * @param {Answer} answer
 * @param {object} change
 * @param {number} change.block Which of `blocksOf(answer)`.
 * @param {number} change.start Where what is replaced begins in the content of the block.
 * @param {number} change.end And where it ends.
 * @param {string} change.source What comes in its place, as Markdown.
 * @param {string} change.text The same as plain text.
 * @param {PlacedWord[]} change.words What is replaced in the lines: more than one word where a
 *   hyphen divided it, none where it is not known.
 * @returns {Answer}
 */
export function corrected(answer, { block: index, start, end, source, text, words }) {
  const blocks = blocksOf(answer);
  const { content } = blocks[index];
  const block = {
    ...blocks[index],
    content: content.slice(0, start) + source + content.slice(end),
  };
  const lines = [...(block.qwen_ocr?.lines ?? [])];
  if (lines.length === 1 && lines[0].text === content && !words.length) {
    block.qwen_ocr = { ...block.qwen_ocr, lines: [rewritten(lines[0], block.content)] };
  } else if (words.length) {
    // From the end, so that places of other words in the same line stay right.
    for (const word of [...words].reverse()) {
      lines[word.line] = correctedLine(lines[word.line], word, word === words[0] ? text : "");
    }
    block.qwen_ocr = { ...block.qwen_ocr, lines };
  }
  const offset = offsetOf(blocks, index, answer.markdown);
  if (offset === null) return { ...answer, blocks: blocks.with(index, block) };
  const at = offset + start;
  const { markdown } = answer;
  return {
    ...answer,
    blocks: blocks.with(index, block),
    markdown: markdown.slice(0, at) + source + markdown.slice(offset + end),
    ...correctedScores(answer, at, offset + end, source),
  };
}

/**
 * @param {Line} line That is the whole content of its block, as large models answer.
 * @param {string} text
 * @returns {Line}
 */
function rewritten(line, text) {
  const same = wordsIn(text).length === line.confidence.length;
  return { ...line, text, confidence: same ? line.confidence : [] };
}

/**
 * @param {Line} line
 * @param {PlacedWord} word
 * @param {string} text
 * @returns {Line}
 */
function correctedLine(line, word, text) {
  const old = wordsIn(line.text);
  const edges = edgesOf(line, old);
  const written = wordsIn(text);
  const { place } = word;
  const more = written.length - 1;
  const end = word.start + word.text.length;
  /** @type {Record<string, string>} */
  const places = {};
  for (const [key, read] of Object.entries(line.corrected ?? {})) {
    const other = Number(key);
    if (other !== place) places[other > place ? other + more : other] = read;
  }
  written.forEach((_, index) => (places[place + index] = word.read ?? word.text));
  const known = line.confidence.length === old.length;
  const before = line.text.slice(0, word.start);
  const after = line.text.slice(end);
  return {
    ...line,
    text: text ? before + text + after : (before.trimEnd() + after).trim(),
    words: edges ? edges.toSpliced(place, 1, ...divided(edges[place], written)) : line.words,
    confidence: known
      ? line.confidence.toSpliced(place, 1, ...written.map(() => 1))
      : line.confidence,
    corrected: places,
  };
}

/**
 * @param {[number, number]} edges Of a word that others take the place of.
 * @param {{text: string}[]} words
 * @returns {[number, number][]}
 */
function divided([left, right], words) {
  const count = words.reduce((sum, { text }) => sum + text.length + 1, -1);
  const width = (right - left) / Math.max(count, 1);
  let before = 0;
  return words.map(({ text }) => {
    const from = left + width * before;
    before += text.length + 1;
    return [Math.round(from), Math.round(from + width * text.length)];
  });
}

/**
 * Where in the Markdown of the page a block begins; null if it is not in it, as a header that was
 * asked for apart.
 *
 * @param {Block[]} blocks
 * @param {number} index
 * @param {string} markdown
 * @returns {number | null}
 */
function offsetOf(blocks, index, markdown) {
  let place = 0;
  for (const block of blocks.slice(0, index)) {
    const found = markdown.indexOf(block.content, place);
    if (found >= 0) place = found + block.content.length;
  }
  const found = markdown.indexOf(blocks[index].content, place);
  return found < 0 ? null : found;
}

/**
 * @param {Answer} answer
 * @param {number} start
 * @param {number} end
 * @param {string} text
 * @returns {Pick<Answer, "confidence_scores"> | {}}
 */
function correctedScores({ confidence_scores: scores }, start, end, text) {
  if (!scores?.word_confidence_scores) return {};
  const by = text.length - (end - start);
  const moved = scores.word_confidence_scores.flatMap((score) => {
    const { start_index: at } = score;
    if (at >= end) return [{ ...score, start_index: at + by }];
    return at < start ? [score] : [];
  });
  const written = wordsIn(text).map((word) => {
    return { text: word.text, confidence: 1, start_index: start + word.start };
  });
  const after = moved.findIndex((score) => score.start_index >= start + text.length);
  const place = after < 0 ? moved.length : after;
  return {
    confidence_scores: { ...scores, word_confidence_scores: moved.toSpliced(place, 0, ...written) },
  };
}
