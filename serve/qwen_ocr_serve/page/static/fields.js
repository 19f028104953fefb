/** Fields that are filled from the page. */

export class FieldsPanel {
  /**
   * Whether there is anything to be filled in.
   *
   * @param {import("./config.js").Config} _config
   */
  static offered(_config) {
    return false;
  }

  /**
   * @param {HTMLElement} element
   * @param {import("./ask.js").Subject} subject
   */
  constructor(element, subject) {
    this.element = element;
    this.subject = subject;
  }

  pageChanged() {}

  translate() {}
}
