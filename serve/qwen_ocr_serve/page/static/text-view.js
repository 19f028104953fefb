/** The text of a page, block by block, whose words can be pointed at and corrected. */

import { blocksOf, corrected } from "./answer.js";
import { button } from "./buttons.js";
import { setFormulas } from "./formulas.js";
import { t } from "./language.js";
import { renderMarkdown } from "./markdown.js";
import { asSource } from "./source-view.js";
import { mark, markOf, unitsOf } from "./units.js";
import { editWord } from "./word-editor.js";

/**
 * @typedef {import("./answer.js").Answer} Answer
 * @typedef {import("./units.js").Unit} Unit
 *
 * @typedef {object} Listeners
 * @property {(block: number | null, unit: Unit | null) => void} onPoint
 * @property {(block: number, unit: Unit | null) => void} onChoose
 * @property {(answer: Answer) => void} onChange
 */

export class TextView {
  /**
   * @param {HTMLElement} element
   * @param {Listeners} listeners
   */
  constructor(element, listeners) {
    this.listeners = listeners;
    /** @type {Answer | null} */
    this.answer = null;
    /** @type {HTMLElement[]} */
    this.sections = [];
    /** @type {Unit[][]} The words of each block. */
    this.units = [];
    /** @type {Map<Element, Unit>} */
    this.byElement = new Map();
    /** @type {Unit | null} The word that Tab leads to. */
    this.chosen = null;
    /** Whether somebody has been at a word of this page. */
    this.visited = false;

    this.count = document.createElement("span");
    this.previous = button("previousDoubt", "M15 6 9 12l6 6", () => this.#toDoubt(-1));
    this.next = button("nextDoubt", "m9 6 6 6-6 6", () => this.#toDoubt(1));
    this.bar = document.createElement("div");
    this.bar.className = "doubts";
    this.bar.append(this.count, this.previous, this.next);
    this.coming = document.createElement("div");
    this.coming.className = "coming";
    this.text = document.createElement("div");
    this.text.className = "page-text";
    this.text.setAttribute("role", "group");
    this.hint = document.createElement("p");
    this.hint.className = "hint";
    this.hint.id = "correct-hint";
    this.text.setAttribute("aria-describedby", this.hint.id);
    element.replaceChildren(this.bar, this.coming, this.text, this.hint);
    this.#listen();
    this.#showAnswer(null);
  }

  #listen() {
    const { text } = this;
    text.addEventListener("pointerover", (event) => {
      const { block, unit } = this.#at(event.target);
      this.listeners.onPoint(block, unit);
    });
    text.addEventListener("pointerleave", () => this.listeners.onPoint(null, null));
    text.addEventListener("focusin", (event) => {
      const { block, unit } = this.#at(event.target);
      if (block === null || !unit) return;
      this.#makeTabStop(unit);
      this.visited = true;
      this.listeners.onChoose(block, unit);
    });
    // The second tap on a word corrects it, for fingers have no other way.
    /** @type {Unit | null} */
    let before = null;
    text.addEventListener("pointerdown", () => {
      before = this.byElement.get(document.activeElement ?? text) ?? null;
    });
    text.addEventListener("click", (event) => {
      const { block, unit } = this.#at(event.target);
      if (unit && unit === before && getSelection()?.isCollapsed) this.edit(unit);
      else if (block !== null && !unit) this.listeners.onChoose(block, null);
    });
    text.addEventListener("dblclick", (event) => {
      const { unit } = this.#at(event.target);
      if (unit) this.edit(unit);
    });
    text.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const { unit } = this.#at(event.target);
    if (!unit || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = this.units.flat();
    const at = all.indexOf(unit);
    const others = this.units.filter((units) => units.length);
    const block = others.indexOf(this.units[unit.block]);
    /** @type {Record<string, Unit | undefined>} */
    const targets = {
      ArrowLeft: all[at - 1],
      ArrowRight: all[at + 1],
      ArrowUp: others[block - 1]?.[0],
      ArrowDown: others[block + 1]?.[0],
      Home: all[0],
      End: all[all.length - 1],
    };
    if (event.key === "Enter" || event.key === "F2") this.edit(unit);
    else if (event.key in targets) this.focus(targets[event.key] ?? unit);
    else return;
    event.preventDefault();
  }

  /**
   * Text that is still coming: what is there already is not touched.
   *
   * @param {string} text
   */
  showText(text) {
    if (this.answer) this.#showAnswer(null);
    const shown = this.coming.textContent ?? "";
    if (text === shown) return;
    if (shown && text.startsWith(shown)) this.coming.append(text.slice(shown.length));
    else this.coming.textContent = text;
  }

  /** @param {Answer} answer */
  show(answer) {
    if (answer !== this.answer) this.#showAnswer(answer);
  }

  /** @param {Answer | null} answer */
  #showAnswer(answer) {
    this.answer = answer;
    this.chosen = null;
    this.visited = false;
    this.byElement.clear();
    this.coming.textContent = "";
    const blocks = answer ? blocksOf(answer) : [];
    this.sections = blocks.map(() => document.createElement("section"));
    this.units = blocks.map(() => []);
    this.text.replaceChildren(...this.sections);
    blocks.forEach((_, index) => this.#renderBlock(index));
    this.#makeTabStop(this.units.flat()[0] ?? null);
    this.#renderBar();
  }

  /** @param {number} index */
  #renderBlock(index) {
    if (!this.answer) return;
    const block = blocksOf(this.answer)[index];
    const section = this.sections[index];
    section.className = "block";
    section.dataset.type = block.type;
    section.dataset.block = String(index);
    for (const { element } of this.units[index]) this.byElement.delete(element);
    const fragment = renderMarkdown(block.content, this.answer.images);
    this.units[index] = unitsOf(fragment, block, index);
    for (const unit of this.units[index]) this.byElement.set(unit.element, unit);
    section.replaceChildren(fragment);
    void setFormulas(section);
  }

  #renderBar() {
    const doubts = this.#doubts.length;
    this.bar.hidden = doubts === 0;
    this.count.textContent = t(doubts === 1 ? "oneDoubt" : "doubts", { count: doubts });
    this.hint.hidden = !this.units.flat().length;
  }

  get #doubts() {
    return this.units.flat().filter((unit) => ["low", "mid"].includes(markOf(unit) ?? ""));
  }

  /** @param {1 | -1} step To the next doubtful word after the chosen one, or the one before it. */
  #toDoubt(step) {
    const all = this.units.flat();
    const doubts = this.#doubts;
    const start = step > 0 ? -1 : all.length;
    const from = this.chosen && this.visited ? all.indexOf(this.chosen) : start;
    const ordered = step > 0 ? doubts : [...doubts].reverse();
    const next = ordered.find((unit) => (all.indexOf(unit) - from) * step > 0) ?? ordered[0];
    if (next) this.focus(next);
  }

  /** @param {EventTarget | null} target @returns {{block: number | null, unit: Unit | null}} */
  #at(target) {
    if (!(target instanceof Element)) return { block: null, unit: null };
    const word = target.closest(".word, .word-input");
    const section = /** @type {HTMLElement | null} */ (target.closest(".block"));
    const unit = (word && this.byElement.get(word)) ?? null;
    return { block: section ? Number(section.dataset.block) : null, unit };
  }

  /** @param {Unit | null} unit */
  #makeTabStop(unit) {
    if (this.chosen) this.chosen.element.tabIndex = -1;
    this.chosen = unit;
    if (unit) unit.element.tabIndex = 0;
  }

  /** @param {Unit} unit */
  focus(unit) {
    this.#makeTabStop(unit);
    unit.element.focus({ preventScroll: true });
    unit.element.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /**
   * @param {number | null} block Whose text is lit; none else is.
   * @param {boolean} [scroll]
   */
  light(block, scroll = false) {
    this.sections.forEach((section, index) => section.classList.toggle("lit", index === block));
    if (scroll && block !== null) this.sections[block].scrollIntoView({ block: "nearest" });
  }

  /** @param {Unit} unit */
  edit(unit) {
    const { span, block, text, formula, words } = unit;
    if (!span || !this.answer || !unit.element.isConnected) return;
    this.#makeTabStop(unit);
    const input = editWord(unit, (written, confirmed) => {
      const { answer } = this;
      this.byElement.delete(input);
      if (!answer) return;
      const isDoubtful = ["low", "mid"].includes(markOf(unit) ?? "");
      if (written === null || (written === text && !(confirmed && isDoubtful))) {
        if (written === null || confirmed) this.focus(unit);
        return;
      }
      const { content } = blocksOf(answer)[block];
      const source = formula ? written : asSource(written, content);
      const place = this.units[block].indexOf(unit);
      this.answer = corrected(answer, { block, ...span, source, text: written, words });
      this.#renderBlock(block);
      this.#renderBar();
      const again = this.units[block][Math.min(place, this.units[block].length - 1)];
      this.#makeTabStop(again ?? this.units.flat()[0] ?? null);
      if (confirmed && again) this.focus(again);
      this.listeners.onChange(this.answer);
    });
    this.byElement.set(input, unit);
    this.listeners.onChoose(block, unit);
  }

  translate() {
    this.text.setAttribute("aria-label", t("pageText"));
    this.hint.textContent = t("correctHint");
    for (const unit of this.byElement.values()) mark(unit);
    for (const part of [this.previous, this.next]) {
      part.setAttribute("aria-label", t(part.dataset.label ?? ""));
      part.title = t(part.dataset.label ?? "");
    }
    this.#renderBar();
  }
}
