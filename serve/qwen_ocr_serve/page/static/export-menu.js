/** Takes the text away: to the clipboard, and as a Markdown file of the page or of its document. */

import { copy } from "./elements.js";
import { t } from "./language.js";

/**
 * @typedef {"page" | "document"} Scope
 * @typedef {{name: string,
 *   pages: {answer: import("./answer.js").Answer, picture: () => Promise<Blob>}[]}} Exported
 */

export class ExportMenu {
  /**
   * @param {HTMLElement} element
   * @param {(scope: Scope) => Promise<Exported>} source
   */
  constructor(element, source) {
    this.source = source;
    this.copyButton = button(() => this.#copy());
    this.pageButton = button(() => this.#download("page"));
    this.documentButton = button(() => this.#download("document"));
    element.append(this.copyButton, this.pageButton, this.documentButton);
    this.what = { page: false, document: false, missing: 0 };
  }

  /** @param {{page: boolean, document: boolean, missing: number}} what There is to export. */
  update(what) {
    this.what = what;
    this.copyButton.disabled = this.pageButton.disabled = !what.page;
    this.documentButton.disabled = !what.document;
    this.translate();
  }

  /** Say everything in the language that was chosen. */
  translate() {
    const { missing } = this.what;
    this.copyButton.textContent = t("copy");
    this.pageButton.textContent = t("downloadPage");
    this.documentButton.textContent = t("downloadDocument");
    this.documentButton.title = missing ? t("pagesMissing", { count: missing }) : "";
  }

  async #copy() {
    const labels = { done: t("copied"), idle: t("copy") };
    copy(markdownOf(await this.source("page")), this.copyButton, labels);
  }

  /** @param {Scope} scope */
  async #download(scope) {
    const exported = await this.source(scope);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([markdownOf(exported)], { type: "text/markdown" }));
    link.download = `${exported.name || "text"}.md`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}

/** @param {Exported} exported */
function markdownOf({ pages }) {
  return pages.map(({ answer }) => answer.markdown).join("\n\n");
}

/** @param {() => void} action */
function button(action) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "quiet";
  made.addEventListener("click", action);
  return made;
}
