/** A page and its text side by side: what is pointed at in one is lit in the other. */

import { PictureView } from "./picture-view.js";
import { TextView } from "./text-view.js";
import { markOf } from "./units.js";

/** @typedef {import("./answer.js").Answer} Answer */

export class Viewer {
  /**
   * @param {HTMLElement} picture
   * @param {HTMLElement} text
   * @param {{onChange: (answer: Answer) => void}} listeners Called with a corrected answer.
   */
  constructor(picture, text, { onChange }) {
    /** @type {{block: number, unit: import("./units.js").Unit | null} | null} */
    this.chosen = null;
    this.picture = new PictureView(picture, {
      onPoint: (block) => this.#light(block, null),
      onChoose: (block, x, y, edit) => this.#chooseAt(block, x, y, edit),
    });
    this.text = new TextView(text, {
      onPoint: (block, unit) => this.#light(block, unit),
      onChoose: (block, unit) => {
        this.chosen = { block, unit };
        this.#light(block, unit, true);
      },
      onChange: (answer) => {
        this.picture.show(answer, this.#marks());
        this.#light(null, null);
        onChange(answer);
      },
    });
    this.translate();
  }

  /**
   * Shows a page. The picture keeps its size on the screen as long as it is the same object.
   *
   * @param {{picture: Blob | null, answer: Answer | null, partialText: string}} page `partialText`
   *   is what has come of a page that is being read.
   */
  show({ picture, answer, partialText }) {
    this.picture.showPicture(picture);
    if (answer === null) {
      this.text.showText(partialText);
    } else if (answer === this.text.answer) {
      return;
    } else {
      this.text.show(answer);
    }
    if (this.picture.answer !== answer) {
      this.chosen = null;
      this.picture.show(answer, this.#marks());
    }
  }

  #marks() {
    return this.text.units.flat().flatMap((unit) => {
      const kind = markOf(unit);
      return kind ? unit.boxes.map((box) => ({ box, kind })) : [];
    });
  }

  /**
   * Lights a block and a word of it; if nothing is pointed at, what was chosen.
   *
   * @param {number | null} block
   * @param {import("./units.js").Unit | null} unit
   * @param {boolean} [scroll]
   */
  #light(block, unit, scroll = false) {
    const { block: lit, unit: word } = block === null ? (this.chosen ?? NOTHING) : { block, unit };
    this.picture.light(lit, word?.boxes ?? [], scroll);
    this.text.light(lit);
  }

  /**
   * @param {number} block
   * @param {number} x
   * @param {number} y
   * @param {boolean} edit
   */
  #chooseAt(block, x, y, edit) {
    const unit = this.text.units[block].find(({ boxes }) =>
      boxes.some(([l, top, r, bottom]) => x >= l && x <= r && y >= top && y <= bottom),
    );
    if (unit) {
      this.text.focus(unit);
      if (edit) this.text.edit(unit);
    } else {
      this.chosen = { block, unit: null };
      this.#light(block, null);
      this.text.light(block, true);
    }
  }

  translate() {
    this.picture.translate();
    this.text.translate();
  }
}

const NOTHING = { block: null, unit: null };
