/** Pages as plain text, Markdown and JSON, as qwen_ocr_tools/exports/texts.py has them. */

import { boxOf } from "./answer.js";
import { linesOf } from "./export-places.js";

/** @typedef {import("./answer.js").Answer} Answer */

/** Between pages of plain text, as `pdftotext` has it. */
const PAGE_BREAK = "\f";

/** @param {Answer[]} answers @returns {string} The lines as they stand on the pages. */
export function plainText(answers) {
  return `${answers.map(textOf).join(PAGE_BREAK)}\n`;
}

/** @param {Answer[]} answers @returns {string} */
export function markdown(answers) {
  return `${markdownOf(answers)}\n`;
}

/** The same as it is copied. @param {Answer[]} answers @returns {string} */
export function markdownOf(answers) {
  return answers.map((answer) => answer.markdown).filter(Boolean).join("\n\n");
}

/** @param {Answer} answer @returns {string} */
function textOf(answer) {
  const blocks = (answer.blocks ?? []).map((block) =>
    linesOf(block).map((row) => row.map(({ text }) => text).join(" ")).join("\n"),
  );
  return blocks.filter(Boolean).join("\n\n") || answer.markdown;
}

/**
 * All that is known about the pages, without the pictures' files.
 *
 * @param {Answer[]} answers
 * @param {string} file The document's name.
 * @returns {string}
 */
export function json(answers, file) {
  return `${JSON.stringify({ file, pages: answers.map(fieldsOf) }, null, 1)}\n`;
}

/** @param {Answer} answer */
function fieldsOf(answer) {
  const { index, dimensions, blocks, images, confidence_scores: scores, qwen_ocr: about } = answer;
  return {
    page: index + 1,
    text: textOf(answer),
    markdown: answer.markdown,
    confidence: about.confidence,
    warnings: about.warnings,
    width: dimensions?.width ?? 0,
    height: dimensions?.height ?? 0,
    dpi: dimensions?.dpi ?? 0,
    turned: about.turned,
    skew: about.skew,
    text_layer: about.text_layer,
    blocks: (blocks ?? []).map((block) => ({
      kind: block.type,
      markdown: block.content,
      box: boxOf(block),
      lines: (block.qwen_ocr?.lines ?? []).map(({ text, box, words, confidence }) => {
        return { text, box, words, confidence };
      }),
    })),
    figures: images.map((figure) => ({ id: figure.id, box: boxOf(/** @type {any} */ (figure)) })),
    words: (scores?.word_confidence_scores ?? []).map(({ text, confidence }) => {
      return { text, confidence };
    }),
    error: null,
  };
}
