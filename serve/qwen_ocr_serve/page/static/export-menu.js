/** Exports of a page and of its document. */

export class ExportMenu {
  /**
   * @param {HTMLElement} element
   * @param {(scope: "page" | "document") => Promise<{name: string,
   *   pages: {answer: import("./answer.js").Answer, picture: () => Promise<Blob>}[]}>} source
   */
  constructor(element, source) {
    this.element = element;
    this.source = source;
  }

  /** @param {{page: boolean, document: boolean, missing: number}} what */
  update(what) {
    this.element.hidden = !what.page;
  }

  translate() {}
}
