/** What went wrong with files and with the server, above everything else until it is closed. */

import { element } from "./elements.js";
import { t } from "./language.js";

const MOST = 5; // lines: of a folder full of other files, a few are enough

export class ErrorBar {
  constructor() {
    /** @type {{error: import("./errors.js").PageError, name: string}[]} */
    this.errors = [];
    element("error-close", HTMLButtonElement).addEventListener("click", () => this.clear());
  }

  /**
   * @param {import("./errors.js").PageError} error
   * @param {string} [name] Of the file that it is about.
   */
  add(error, name = "") {
    const known = this.errors.some((other) => other.error.title === error.title && other.name === name);
    if (!known) this.errors.push({ error, name });
    this.translate();
  }

  clear() {
    this.errors = [];
    this.translate();
  }

  /** Say everything in the language that was chosen. */
  translate() {
    const { errors } = this;
    element("error", HTMLElement).hidden = !errors.length;
    const lines = errors.slice(0, MOST).map(line);
    if (errors.length > MOST) {
      const more = document.createElement("li");
      more.textContent = t("moreErrors", { count: errors.length - MOST });
      lines.push(more);
    }
    element("error-list", HTMLElement).replaceChildren(...lines);
  }
}

/** @param {{error: import("./errors.js").PageError, name: string}} entry */
function line({ error, name }) {
  const item = document.createElement("li");
  item.append(...wordsOf(error, name));
  return item;
}

/**
 * An error in words: what it is, what the server says of it, and the request's id for its log.
 *
 * @param {import("./errors.js").PageError} error
 * @param {string} [name] Of the file that it is about.
 * @returns {Node[]}
 */
export function wordsOf({ title, values, detail, requestId }, name = "") {
  const words = document.createElement("strong");
  words.textContent = t(title, { name, ...values });
  const id = document.createElement("span");
  id.className = "error-id";
  id.textContent = requestId ? ` ${t("requestId")}: ${requestId}` : "";
  return [words, document.createTextNode(detail && `: ${detail}`), id];
}
