/** The text on the page: as it comes, with its words marked by confidence. */

import { DOUBTFUL, SURE } from "./confidence.js";
import { formatNumber } from "./language.js";

export class Output {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    /** @type {import("./confidence.js").Part[]} */
    this.parts = [];
  }

  /**
   * Show these parts. What has not changed is left alone, so that a selection survives new text.
   *
   * @param {import("./confidence.js").Part[]} parts
   */
  show(parts) {
    let same = 0;
    while (
      same < Math.min(parts.length, this.parts.length) &&
      parts[same].text === this.parts[same].text &&
      parts[same].confidence === this.parts[same].confidence
    ) {
      same++;
    }
    const nodes = [...this.element.childNodes].slice(same);
    for (const node of nodes) node.remove();
    this.element.append(...parts.slice(same).map(toNode));
    this.parts = parts;
  }
}

/**
 * Always a text node in the end: what a model writes is never HTML.
 *
 * @param {import("./confidence.js").Part} part
 * @returns {Node}
 */
function toNode({ text, confidence }) {
  if (confidence === null || confidence >= SURE) return document.createTextNode(text);
  const word = document.createElement("mark");
  word.textContent = text;
  word.dataset.sure = confidence < DOUBTFUL ? "low" : "mid";
  word.title = formatNumber(confidence, { style: "percent" });
  return word;
}
