/** hOCR 1.2, as qwen_ocr_tools/exports/hocr.py writes it: HTML with a box for each line and word. */

import { blocksOf, boxOf } from "./answer.js";
import { displayedBox, displayedSize, rounded, rowsOf } from "./export-places.js";

/**
 * @typedef {import("./answer.js").Answer} Answer
 * @typedef {import("./answer.js").Box} Box
 * @typedef {import("./export-places.js").PlacedRow} PlacedRow
 * @typedef {{tag: string, attributes: Record<string, string>, content: string | Element[]}} Element
 */

const HEAD = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" \
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
`;
/** @type {Record<string, string>} Of blocks that are not in the main text. */
const CLASSES = { header: "ocr_header", footer: "ocr_footer", image: "ocr_image" };
const CAPABILITIES = [
  ...["ocr_page", "ocr_carea", ...Object.values(CLASSES)],
  ...["ocr_par", "ocr_line", "ocrx_word", "ocrp_wconf"],
].join(" ");
const NOT_XML = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

/**
 * @param {Answer[]} answers
 * @param {string} name The document's.
 * @param {string} version Of qwen-ocr.
 * @returns {string}
 */
export function hocr(answers, name, version) {
  /** @type {Record<string, string>[]} */
  const facts = [
    { "http-equiv": "Content-Type", content: "text/html; charset=utf-8" },
    { name: "ocr-system", content: `qwen-ocr ${version}` },
    { name: "ocr-capabilities", content: CAPABILITIES },
    { name: "ocr-number-of-pages", content: String(answers.length) },
  ];
  const meta = facts.map((attributes) => element("meta", attributes, []));
  const pages = answers.map((answer) => page(answer, name.replaceAll('"', "'")));
  const root = element("html", { xmlns: "http://www.w3.org/1999/xhtml" }, [
    element("head", {}, [element("title", {}, name), ...meta]),
    element("body", {}, pages),
  ]);
  return `${HEAD}${written(root, "")}\n`;
}

/** @param {Answer} answer @param {string} name @returns {Element} */
function page(answer, name) {
  const number = answer.index + 1;
  const [width, height] = displayedSize(answer);
  const dpi = answer.dimensions?.dpi;
  const about = [`image "${name}"`, `bbox 0 0 ${width} ${height}`, `ppageno ${answer.index}`];
  if (dpi) about.push(`scan_res ${dpi} ${dpi}`);
  const blocks = blocksOf(answer).map((block, index) => {
    const key = `${number}_${index + 1}`;
    const box = [bbox(boxOf(block), answer)];
    const rows = rowsOf(block).map((row, place) => line(row, answer, `${key}_${place + 1}`));
    const paragraph = rows.length ? [placed("p", "ocr_par", `par_${key}`, box, rows)] : [];
    return placed("div", CLASSES[block.type] ?? "ocr_carea", `block_${key}`, box, paragraph);
  });
  return placed("div", "ocr_page", `page_${number}`, about, blocks);
}

/** @param {PlacedRow} row @param {Answer} answer @param {string} key @returns {Element} */
function line(row, answer, key) {
  const { turned, skew } = answer.qwen_ocr;
  const about = [bbox(row.box, answer)];
  if (turned) {
    const angle = ((-(turned + skew) % 360) + 360) % 360;
    about.push(`textangle ${number((Math.round(angle * 100) / 100) % 360)}`);
  } else if (skew) {
    // Slope of the lower edge, and how far its left end is from the lower left of the box.
    const [left, , right] = displayedBox(row.box, answer);
    const slope = Math.tan((skew * Math.PI) / 180);
    about.push(`baseline ${number(slope)} ${rounded(Math.min(0, -slope * (right - left)))}`);
  }
  const unknown = row.words.some(({ box }) => !box);
  const content = unknown
    ? row.words.map(({ text }) => text).join(" ")
    : row.words.map(({ text, box, confidence }, place) => {
        const facts = [bbox(/** @type {Box} */ (box), answer)];
        if (confidence !== null) facts.push(`x_wconf ${rounded(100 * confidence)}`);
        return placed("span", "ocrx_word", `word_${key}_${place + 1}`, facts, text);
      });
  return placed("span", "ocr_line", `line_${key}`, about, content);
}

/** @param {Box} box @param {Answer} answer */
function bbox(box, answer) {
  return `bbox ${displayedBox(box, answer).join(" ")}`;
}

/** At most four digits after the point, and no more than it needs. @param {number} value */
function number(value) {
  return value.toFixed(4).replace(/\.?0+$/, "");
}

/**
 * @param {string} tag
 * @param {string} kind
 * @param {string} id
 * @param {string[]} about
 * @param {string | Element[]} content
 */
function placed(tag, kind, id, about, content) {
  return element(tag, { class: kind, id, title: about.join("; ") }, content);
}

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {string | Element[]} content
 * @returns {Element}
 */
function element(tag, attributes, content) {
  return { tag, attributes, content };
}

/** @param {Element} element @param {string} indent @returns {string} */
function written({ tag, attributes, content }, indent) {
  const pairs = Object.entries(attributes).map(([name, value]) => ` ${name}="${escaped(value)}"`);
  const start = `${indent}<${tag}${pairs.join("")}`;
  if (!content.length) return `${start} />`;
  if (typeof content === "string") return `${start}>${escaped(content, false)}</${tag}>`;
  const inside = content.map((child) => written(child, `${indent} `)).join("\n");
  return `${start}>\n${inside}\n${indent}</${tag}>`;
}

/** With the replacement character for what XML cannot hold. @param {string} text */
function escaped(text, quoted = true) {
  /** @type {Record<string, string>} */
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  if (quoted) Object.assign(entities, { '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#09;" });
  return text
    .replace(NOT_XML, "\ufffd")
    .replace(/[&<>"\n\r\t]/g, (character) => entities[character] ?? character);
}
