/** Fields that are filled from the page. */

export class FieldsPanel {
  /** @param {import("./config.js").Config} config */
  static offered(config) {
    return !config.plain_text_only;
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
