/** The picture of a page, upright, with its blocks and doubtful words outlined. */

import { blocksOf, boxOf } from "./answer.js";
import { button } from "./buttons.js";
import { formatNumber, t } from "./language.js";
import { Zoom } from "./zoom.js";

/**
 * @typedef {import("./answer.js").Answer} Answer
 * @typedef {import("./answer.js").Box} Box
 *
 * @typedef {object} Listeners
 * @property {(block: number | null) => void} onPoint
 * @property {(block: number, x: number, y: number, edit: boolean) => void} onChoose In pixels of
 *   the upright page.
 */

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 4; // pixels of the screen between text and outline

export class PictureView {
  /**
   * @param {HTMLElement} element
   * @param {Listeners} listeners
   */
  constructor(element, listeners) {
    this.listeners = listeners;
    /** @type {Blob | null} */
    this.picture = null;
    /** @type {Answer | null} */
    this.answer = null;
    /** @type {{box: Box, kind: string}[]} */
    this.marks = [];
    /** @type {{block: number | null, words: Box[]}} */
    this.pointed = { block: null, words: [] };

    this.image = document.createElement("img");
    this.image.alt = "";
    this.image.draggable = false;
    this.layer = document.createElementNS(SVG, "svg");
    this.layer.setAttribute("aria-hidden", "true");
    this.layer.setAttribute("preserveAspectRatio", "none");
    this.outlines = document.createElementNS(SVG, "g");
    this.words = document.createElementNS(SVG, "g");
    this.lit = document.createElementNS(SVG, "g");
    this.layer.append(this.outlines, this.words, this.lit);
    this.sheet = part("sheet", this.image, this.layer);
    this.space = part("space", this.sheet);
    this.scroller = part("scroller", this.space);
    this.scroller.tabIndex = 0;
    this.scroller.setAttribute("role", "region");
    this.zoom = new Zoom(this.scroller, this.space, this.sheet, () => this.#onZoom());
    this.share = document.createElement("span");
    this.share.className = "share";
    this.tools = part("picture-tools");
    this.tools.setAttribute("role", "group");
    this.tools.append(
      button("zoomOut", "M5 12h14", () => this.zoom.by(0.8)),
      this.share,
      button("zoomIn", "M12 5v14M5 12h14", () => this.zoom.by(1.25)),
      button(
        "fitWidth",
        "M4 5v14M20 5v14M8 12h8M10 9.5 7.5 12l2.5 2.5M14 9.5l2.5 2.5-2.5 2.5",
        () => this.zoom.fitTo("width"),
      ),
      button("fitPage", "M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5", () => this.zoom.fitTo("page")),
      button("turn", "M19 12a7 7 0 1 1-2.1-5M17 3v4.2h-4.2", () => this.zoom.turn()),
    );
    element.replaceChildren(this.scroller, this.tools);
    this.image.addEventListener("load", () => this.#layOut());
    this.#listen();
  }

  #listen() {
    const { scroller } = this;
    scroller.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") this.listeners.onPoint(this.#blockAt(event));
    });
    scroller.addEventListener("pointerleave", () => this.listeners.onPoint(null));
    /** @param {MouseEvent} event @param {boolean} edit */
    const choose = (event, edit) => {
      const block = this.#blockAt(event);
      if (block !== null) this.listeners.onChoose(block, ...this.#pointAt(event), edit);
    };
    scroller.addEventListener("click", (event) => choose(event, false));
    scroller.addEventListener("dblclick", (event) => choose(event, true));
  }

  /** @param {Blob | null} picture */
  showPicture(picture) {
    if (picture === this.picture) return;
    URL.revokeObjectURL(this.image.src);
    this.picture = picture;
    this.zoom.reset();
    this.sheet.hidden = this.tools.hidden = picture === null;
    if (picture) this.image.src = URL.createObjectURL(picture);
    else this.image.removeAttribute("src");
    this.scroller.scrollTo(0, 0);
  }

  /**
   * @param {Answer | null} answer
   * @param {{box: Box, kind: string}[]} marks Words.
   */
  show(answer, marks) {
    this.answer = answer;
    this.marks = marks;
    this.light(null, []);
    this.#layOut();
  }

  /** The picture turned as it was read, and what lies over it. */
  #layOut() {
    const { naturalWidth, naturalHeight } = this.image;
    if (!naturalWidth || !this.picture) return;
    const { turned = 0, skew = 0 } = this.answer?.qwen_ocr ?? {};
    const lies = turned % 180 !== 0;
    const size = this.answer?.dimensions ?? {
      width: lies ? naturalHeight : naturalWidth,
      height: lies ? naturalWidth : naturalHeight,
    };
    this.image.style.width = `${lies ? (100 * size.height) / size.width : 100}%`;
    this.image.style.height = `${lies ? (100 * size.width) / size.height : 100}%`;
    this.image.style.transform = `translate(-50%, -50%) rotate(${-(turned + skew)}deg)`;
    this.layer.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    this.zoom.resize(size.width, size.height);
    this.#draw();
  }

  #draw() {
    const margin = MARGIN / this.zoom.scale;
    const blocks = this.answer?.dimensions ? blocksOf(this.answer) : [];
    this.outlines.replaceChildren(...blocks.map((block) => rect(boxOf(block), block.type, margin)));
    this.words.replaceChildren(...this.marks.map(({ box, kind }) => rect(box, kind, margin / 4)));
    this.#drawPointed();
  }

  #drawPointed() {
    const { block, words } = this.pointed;
    [...this.outlines.children].forEach((outline, index) =>
      outline.classList.toggle("lit", index === block),
    );
    const margin = MARGIN / 2 / this.zoom.scale;
    this.lit.replaceChildren(...words.map((box) => rect(box, "word", margin)));
  }

  #onZoom() {
    this.share.textContent = formatNumber(this.zoom.scale, { style: "percent" });
    this.#draw();
  }

  /** @param {MouseEvent} event @returns {[number, number]} In pixels of the upright page. */
  #pointAt({ clientX, clientY }) {
    const matrix = this.layer.getScreenCTM()?.inverse();
    const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(matrix);
    return [x, y];
  }

  /** @param {MouseEvent} event @returns {number | null} The smallest block at a point. */
  #blockAt(event) {
    if (!this.answer?.dimensions || this.sheet.hidden) return null;
    const [x, y] = this.#pointAt(event);
    const margin = MARGIN / this.zoom.scale;
    let least = Infinity;
    let found = null;
    for (const [index, block] of blocksOf(this.answer).entries()) {
      const [left, top, right, bottom] = boxOf(block);
      const inside =
        x >= left - margin && x <= right + margin && y >= top - margin && y <= bottom + margin;
      const area = (right - left) * (bottom - top);
      if (inside && area < least) [least, found] = [area, index];
    }
    return found;
  }

  /**
   * @param {number | null} block Whose outline is lit; none else is.
   * @param {Box[]} words
   * @param {boolean} [scroll] Whether it is to be brought into view.
   */
  light(block, words, scroll = false) {
    this.pointed = { block, words };
    this.#drawPointed();
    if (!scroll || block === null) return;
    const target = this.lit.children[0] ?? this.outlines.children[block];
    if (target) this.#bringIntoView(target.getBoundingClientRect());
  }

  /** Only this pane scrolls: on a phone the text that was tapped stays where it is. */
  #bringIntoView(/** @type {DOMRect} */ target) {
    const frame = this.scroller.getBoundingClientRect();
    if (target.top < frame.top || target.bottom > frame.bottom) {
      this.scroller.scrollTop += target.top + target.height / 2 - frame.top - frame.height / 2;
    }
    if (target.left < frame.left || target.right > frame.right) {
      this.scroller.scrollLeft += target.left + target.width / 2 - frame.left - frame.width / 2;
    }
  }

  translate() {
    this.scroller.setAttribute("aria-label", t("pagePicture"));
    this.tools.setAttribute("aria-label", t("pictureTools"));
    for (const tool of this.tools.querySelectorAll("button")) {
      tool.setAttribute("aria-label", t(tool.dataset.label ?? ""));
      tool.title = t(tool.dataset.label ?? "");
    }
    if (this.picture) this.#onZoom();
  }
}

/** @param {string} name @param {Element[]} children */
function part(name, ...children) {
  const made = document.createElement("div");
  made.className = name;
  made.append(...children);
  return made;
}

/**
 * @param {Box} box
 * @param {string} kind
 * @param {number} margin
 */
function rect([left, top, right, bottom], kind, margin) {
  const made = document.createElementNS(SVG, "rect");
  made.setAttribute("x", String(left - margin));
  made.setAttribute("y", String(top - margin));
  made.setAttribute("width", String(right - left + 2 * margin));
  made.setAttribute("height", String(bottom - top + 2 * margin));
  made.setAttribute("rx", String(margin));
  made.dataset.kind = kind;
  return made;
}
