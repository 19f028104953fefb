/**
 * Where text is: boxes from the model's coordinates to shares of the picture, and drawn on it.
 *
 * @typedef {{text: string, left: number, top: number, right: number, bottom: number}} Box Edges from
 *   0 to 1, left ≤ right, top ≤ bottom.
 */

import { resized } from "./family.js";

// What the preset asks for, in its order; complete objects only, because text is still coming.
const SPOT =
  /\{\s*"bbox_2d"\s*:\s*(\[[^\]]*\])\s*,\s*"text_content"\s*:\s*("(?:[^"\\]|\\.)*")\s*\}/g;
const SVG = "http://www.w3.org/2000/svg";

/**
 * The boxes in a text that may not have come to its end. Edges beyond the picture are moved to it,
 * crossed ones swapped, as in qwen_ocr/boxes.py.
 *
 * @param {string} text
 * @param {import("./family.js").Family} family
 * @param {import("./family.js").Size} sent Size of the picture that was sent.
 * @returns {Box[]}
 */
export function boxesIn(text, family, sent) {
  const range = family.box_range;
  const [across, down] = range === null ? resized(family, sent) : [range, range];
  /** @type {Box[]} */
  const boxes = [];
  for (const [, edges, content] of text.matchAll(SPOT)) {
    const numbers = parse(edges);
    const label = parse(content);
    if (!Array.isArray(numbers) || numbers.length !== 4 || !numbers.every(Number.isFinite))
      continue;
    const [left, right] = ordered(numbers[0], numbers[2], across);
    const [top, bottom] = ordered(numbers[1], numbers[3], down);
    boxes.push({ text: String(label ?? ""), left, top, right, bottom });
  }
  return boxes;
}

/**
 * @param {string} json
 * @returns {any}
 */
function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

/**
 * @param {number} first
 * @param {number} second
 * @param {number} full
 */
function ordered(first, second, full) {
  const shares = [first, second].map((value) => Math.min(Math.max(value / full, 0), 1));
  return shares.sort((a, b) => a - b);
}

/**
 * @param {SVGElement} layer Lies over the picture, 1 × 1 in its own units.
 * @param {Box[]} boxes
 */
export function drawBoxes(layer, boxes) {
  layer.replaceChildren(
    ...boxes.map((box) => {
      const rect = document.createElementNS(SVG, "rect");
      rect.setAttribute("x", String(box.left));
      rect.setAttribute("y", String(box.top));
      rect.setAttribute("width", String(box.right - box.left));
      rect.setAttribute("height", String(box.bottom - box.top));
      const title = document.createElementNS(SVG, "title");
      title.textContent = box.text;
      rect.append(title);
      return rect;
    }),
  );
}
