/** A PDF's pages: pictures that the server renders, and the strip from which one is chosen. */

import { send } from "./chat.js";
import { PageError } from "./errors.js";
import { t } from "./language.js";

export const THUMBNAIL_WIDTH = 160;

/**
 * @param {Blob} pdf
 * @param {number} page From 1.
 * @param {import("./config.js").Config} config
 * @param {{width?: number, signal?: AbortSignal}} [options] Pixels across at most.
 * @returns {Promise<{blob: Blob, count: number}>} The page as a picture, and the number of pages.
 */
export async function renderPage(pdf, page, config, { width, signal } = {}) {
  if (pdf.size > config.pdf.max_bytes) {
    throw new PageError("pdfTooLarge", { values: { size: config.pdf.max_bytes >> 20 } });
  }
  const query = new URLSearchParams({ page: String(page) });
  if (width) query.set("width", String(width));
  const response = await send(`${config.pdf.path}?${query}`, {
    method: "POST",
    headers: { "Content-Type": "application/pdf" },
    body: pdf,
    signal,
  });
  const count = Number(response.headers.get("x-page-count"));
  return { blob: await response.blob(), count };
}

/** Small pictures of all pages. Each is rendered when it comes into view, one after the other. */
export class Strip {
  /**
   * @param {HTMLElement} list
   * @param {(page: number) => void} onChoose
   */
  constructor(list, onChoose) {
    this.list = list;
    this.onChoose = onChoose;
    this.abort = new AbortController();
    list.addEventListener("keydown", (event) => this.#move(event));
  }

  clear() {
    this.abort.abort();
    for (const image of this.list.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    this.list.replaceChildren();
    this.list.hidden = true;
  }

  /**
   * @param {number} count
   * @param {(page: number, signal: AbortSignal) => Promise<Blob>} render
   */
  show(count, render) {
    this.clear();
    this.abort = new AbortController();
    const { signal } = this.abort;
    let turn = Promise.resolve();
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        const button = /** @type {HTMLButtonElement} */ (target);
        turn = turn.then(() => this.#fill(button, render, signal));
      }
    });
    for (let page = 1; page <= count; page++) {
      const item = document.createElement("li");
      const button = this.#button(page);
      item.append(button);
      this.list.append(item);
      observer.observe(button);
    }
    signal.addEventListener("abort", () => observer.disconnect());
    this.list.hidden = count < 2;
    this.mark(1);
  }

  /** @param {number} page The one that is shown. */
  mark(page) {
    for (const button of this.#buttons()) {
      const current = button.dataset.page === String(page);
      button.toggleAttribute("aria-current", current);
      if (current) button.setAttribute("aria-current", "page");
      button.tabIndex = current ? 0 : -1;
    }
  }

  /** Say everything in the language that was chosen. */
  translate() {
    for (const button of this.#buttons()) {
      button.setAttribute("aria-label", t("page", { page: button.dataset.page ?? "" }));
    }
  }

  #buttons() {
    return /** @type {HTMLButtonElement[]} */ ([...this.list.querySelectorAll("button")]);
  }

  /** @param {number} page */
  #button(page) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.page = String(page);
    button.setAttribute("aria-label", t("page", { page }));
    const label = document.createElement("span");
    label.textContent = String(page);
    button.append(label);
    button.addEventListener("click", () => this.onChoose(page));
    return button;
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {(page: number, signal: AbortSignal) => Promise<Blob>} render
   * @param {AbortSignal} signal
   */
  async #fill(button, render, signal) {
    if (signal.aborted) return;
    try {
      const blob = await render(Number(button.dataset.page), signal);
      const image = new Image();
      image.alt = "";
      image.src = URL.createObjectURL(blob);
      button.prepend(image);
    } catch {
      // Its number stays. Whoever chooses the page is told what is wrong with it.
      button.classList.add("failed");
    }
  }

  /** @param {KeyboardEvent} event Arrow keys go from page to page, as in any row of choices. */
  #move(event) {
    const buttons = this.#buttons();
    const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const last = buttons.length - 1;
    const targets = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last };
    const target = targets[/** @type {keyof typeof targets} */ (event.key)];
    if (target === undefined || at < 0) return;
    event.preventDefault();
    buttons[Math.min(Math.max(target, 0), last)].focus();
  }
}
