/** A page at the left, its text at the right. */

export class Viewer {
  /**
   * @param {HTMLElement} picture
   * @param {HTMLElement} text
   * @param {{onChange: (answer: import("./answer.js").Answer) => void}} listeners
   */
  constructor(picture, text, { onChange }) {
    this.image = new Image();
    this.image.alt = "";
    picture.append(this.image);
    this.text = text;
    this.onChange = onChange;
    /** @type {Blob | null} */
    this.shown = null;
  }

  /**
   * @param {{picture: Blob | null, answer: import("./answer.js").Answer | null,
   *   partialText: string}} page
   */
  show({ picture, answer, partialText }) {
    if (picture !== this.shown) {
      URL.revokeObjectURL(this.image.src);
      this.image.src = picture ? URL.createObjectURL(picture) : "";
      this.shown = picture;
    }
    this.text.textContent = answer?.markdown ?? partialText;
  }

  translate() {}
}
