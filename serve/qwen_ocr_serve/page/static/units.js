/**
 * The words of a block as they are shown, each with where it is written in the block's content, where
 * it stands on the page, and how sure the model was of it.
 *
 * @typedef {object} Unit A word, or a whole formula.
 * @property {HTMLElement} element
 * @property {string} text Of a formula, its LaTeX with the marks around it.
 * @property {boolean} formula
 * @property {number} block
 * @property {{start: number, end: number} | null} span In the content of the block.
 * @property {import("./answer.js").PlacedWord[]} words The same in the lines of the block: two where
 *   a hyphen divides it, none if it is not found there.
 * @property {import("./answer.js").Box[]} boxes
 * @property {number | null} confidence
 * @property {string | null} read What the model had read, if a person corrected or confirmed it.
 */

import { wordsOf } from "./answer.js";
import { DOUBTFUL, SURE, wordsIn } from "./confidence.js";
import { formatNumber, t } from "./language.js";
import { SourceView } from "./source-view.js";

/** @typedef {import("./answer.js").PlacedWord} PlacedWord */

const WINDOW = 12; // words that may be missing at one place, in the text or in the lines
const MARKUP = /[*_`#|\\~]+/g;

/**
 * Makes an element of each word in a rendered block.
 *
 * @param {DocumentFragment} fragment
 * @param {import("./answer.js").Block} block
 * @param {number} index
 * @returns {Unit[]}
 */
export function unitsOf(fragment, block, index) {
  const view = new SourceView(block.content);
  const lines = new Lines(wordsOf(block));
  return wrapped(fragment).map(({ element, text, formula }) => {
    const words = formula ? [] : lines.next(text);
    const known = words.length > 0 ? words : lines.around(text);
    const confidences = known.flatMap(({ confidence }) =>
      confidence === null ? [] : [confidence],
    );
    /** @type {Unit} */
    const unit = {
      element,
      text,
      formula,
      block: index,
      span: formula ? view.nextRaw(text) : view.next(text),
      words,
      boxes: words.flatMap(({ box }) => (box ? [box] : [])),
      confidence: confidences.length ? Math.min(...confidences) : null,
      read: words.find(({ read }) => read !== null)?.read ?? null,
    };
    mark(unit);
    return unit;
  });
}

/** @param {Unit} unit @returns {"low" | "mid" | "corrected" | null} How it is marked. */
export function markOf({ confidence, read }) {
  if (read !== null) return "corrected";
  if (confidence === null || confidence >= SURE) return null;
  return confidence < DOUBTFUL ? "low" : "mid";
}

/** @param {Unit} unit */
export function mark(unit) {
  const kind = markOf(unit);
  if (kind === null) return;
  unit.element.dataset.mark = kind;
  const { read, confidence, text } = unit;
  unit.element.title =
    read !== null
      ? t(read === text ? "confirmedWord" : "correctedWord", { read })
      : t("sureOfWord", { confidence: formatNumber(confidence ?? 0, { style: "percent" }) });
}

/**
 * @param {DocumentFragment} fragment
 * @returns {{element: HTMLElement, text: string, formula: boolean}[]}
 */
function wrapped(fragment) {
  /** @type {{element: HTMLElement, text: string, formula: boolean}[]} */
  const found = [];
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  /** @type {Text[]} */
  const texts = [];
  while (walker.nextNode()) texts.push(/** @type {Text} */ (walker.currentNode));
  for (const node of texts) {
    const parent = node.parentElement;
    if (parent?.dataset.formula) {
      parent.tabIndex = -1;
      parent.classList.add("word");
      found.push({ element: parent, text: node.data, formula: true });
      continue;
    }
    /** @type {Node[]} */
    const nodes = [];
    let place = 0;
    for (const { text, start } of wordsIn(node.data)) {
      const element = document.createElement("span");
      element.className = "word";
      element.tabIndex = -1;
      element.textContent = text;
      nodes.push(document.createTextNode(node.data.slice(place, start)), element);
      place = start + text.length;
      found.push({ element, text, formula: false });
    }
    if (nodes.length) node.replaceWith(...nodes, node.data.slice(place));
  }
  return found;
}

/** The words of the lines, asked for in the order in which they are shown. */
class Lines {
  /** @param {PlacedWord[]} words */
  constructor(words) {
    this.words = words;
    this.place = 0;
  }

  /**
   * @param {string} text
   * @returns {PlacedWord[]}
   */
  next(text) {
    const { words } = this;
    const end = Math.min(this.place + WINDOW, words.length);
    for (let at = this.place; at < end; at++) {
      const word = words[at];
      const following = words[at + 1];
      if (word.text === text || word.text.replace(MARKUP, "") === text) {
        this.place = at + 1;
        return [word];
      }
      if (
        following &&
        word.text.endsWith("-") &&
        word.text.slice(0, -1) + following.text === text
      ) {
        this.place = at + 2;
        return [word, following];
      }
    }
    return [];
  }

  /**
   * What the word is a part of, such as a cell with its tags.
   *
   * @param {string} text
   */
  around(text) {
    return this.words.slice(this.place, this.place + 2).filter((word) => word.text.includes(text));
  }
}
