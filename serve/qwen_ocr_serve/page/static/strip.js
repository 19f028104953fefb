/** The pages of all documents in small, with their state. Hundreds of them scroll: pictures are made
 * when a page comes into view, and dropped when it is far away. */

import { t } from "./language.js";

/**
 * @typedef {import("./documents.js").DocumentPage} DocumentPage
 * @typedef {import("./documents.js").OpenDocument} OpenDocument
 */

const AHEAD = "400px"; // beyond what is in view
const REST = 100; // milliseconds: pages that fly by are not drawn

export class Strip {
  /**
   * @param {HTMLElement} element
   * @param {{
   *   onChoose: (page: DocumentPage) => void,
   *   onRemove: (document: OpenDocument) => void,
   *   thumbnail: (page: DocumentPage, signal: AbortSignal) => Promise<Blob>,
   * }} actions
   */
  constructor(element, actions) {
    this.element = element;
    this.actions = actions;
    /** @type {Map<DocumentPage, HTMLButtonElement>} */
    this.buttons = new Map();
    /** @type {WeakMap<Element, DocumentPage>} */
    this.pages = new WeakMap();
    /** @type {Map<OpenDocument, HTMLElement>} */
    this.groups = new Map();
    /** @type {Map<DocumentPage, AbortController>} Of the pictures that are there or come. */
    this.pictures = new Map();
    this.observer = new IntersectionObserver((entries) => this.#look(entries), {
      root: element,
      rootMargin: AHEAD,
    });
    element.addEventListener("keydown", (event) => this.#move(event));
  }

  /** @param {OpenDocument} document */
  add(document) {
    const group = globalThis.document.createElement("section");
    const list = globalThis.document.createElement("ol");
    group.append(this.#head(document), list);
    for (const page of document.pages) {
      const button = this.#button(page);
      const item = globalThis.document.createElement("li");
      item.append(button);
      list.append(item);
      this.buttons.set(page, button);
      this.pages.set(button, page);
      this.update(page);
      this.observer.observe(button);
    }
    this.groups.set(document, group);
    this.element.append(group);
  }

  /** @param {OpenDocument} document */
  remove(document) {
    for (const page of document.pages) {
      const button = this.buttons.get(page);
      if (button) this.observer.unobserve(button);
      this.#drop(page);
      this.buttons.delete(page);
    }
    this.groups.get(document)?.remove();
    this.groups.delete(document);
  }

  /** @param {DocumentPage} page Its state is another. */
  update(page) {
    const button = this.buttons.get(page);
    if (!button) return;
    const state = t(`state.${page.state}`);
    button.dataset.state = page.state;
    button.setAttribute("aria-label", `${t("page", { page: page.number })}, ${state}`);
    button.title = state;
  }

  /** @param {DocumentPage | null} current The page that is shown. */
  mark(current) {
    for (const [page, button] of this.buttons) {
      if (page === current) button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
      button.tabIndex = page === current ? 0 : -1;
    }
    const shown = current && this.buttons.get(current);
    if (shown) this.#bringIntoView(shown);
  }

  /** Within the strip: the page as a whole stays where it is. @param {HTMLElement} button */
  #bringIntoView(button) {
    const inner = button.getBoundingClientRect();
    const outer = this.element.getBoundingClientRect();
    /** @type {(from: number, to: number, least: number, most: number) => number} */
    const beyond = (from, to, least, most) => Math.min(from - least, 0) || Math.max(to - most, 0);
    this.element.scrollBy(
      beyond(inner.left, inner.right, outer.left, outer.right),
      beyond(inner.top, inner.bottom, outer.top, outer.bottom),
    );
  }

  /** Say everything in the language that was chosen. */
  translate() {
    for (const page of this.buttons.keys()) this.update(page);
    for (const [document, group] of this.groups) {
      group.firstElementChild?.replaceWith(this.#head(document));
    }
  }

  /** @param {OpenDocument} document */
  #head(document) {
    const head = globalThis.document.createElement("div");
    head.className = "strip-head";
    const name = globalThis.document.createElement("h3");
    name.textContent = document.name;
    name.title = document.name;
    const remove = globalThis.document.createElement("button");
    remove.type = "button";
    remove.className = "icon";
    remove.textContent = "×";
    remove.setAttribute("aria-label", t("remove", { name: document.name }));
    remove.title = t("remove", { name: document.name });
    remove.addEventListener("click", () => this.actions.onRemove(document));
    head.append(name, remove);
    return head;
  }

  /** @param {DocumentPage} page */
  #button(page) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "thumbnail";
    button.tabIndex = -1;
    const label = document.createElement("span");
    label.className = "number";
    label.textContent = String(page.number);
    button.append(label);
    button.addEventListener("click", () => this.actions.onChoose(page));
    return button;
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #look(entries) {
    for (const { target, isIntersecting } of entries) {
      const page = this.pages.get(target);
      if (!page) continue;
      if (!isIntersecting) this.#drop(page);
      else if (!this.pictures.has(page)) this.#fill(page);
    }
  }

  /** @param {DocumentPage} page */
  async #fill(page) {
    const abort = new AbortController();
    this.pictures.set(page, abort);
    await new Promise((resolve) => setTimeout(resolve, REST));
    if (abort.signal.aborted) return;
    try {
      const blob = await this.actions.thumbnail(page, abort.signal);
      if (abort.signal.aborted) return;
      const image = new Image();
      image.alt = "";
      image.src = URL.createObjectURL(blob);
      this.buttons.get(page)?.prepend(image);
    } catch {
      // Its number stays. Whoever chooses the page is told what is wrong with it.
    }
  }

  /** @param {DocumentPage} page Its picture. */
  #drop(page) {
    this.pictures.get(page)?.abort();
    this.pictures.delete(page);
    const image = this.buttons.get(page)?.querySelector("img");
    if (!image) return;
    URL.revokeObjectURL(image.src);
    image.remove();
  }

  /** @param {KeyboardEvent} event Arrow keys go from page to page, as in any row of choices. */
  #move(event) {
    const buttons = [...this.buttons.values()];
    const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const last = buttons.length - 1;
    const targets = {
      ArrowDown: at + 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowLeft: at - 1,
      Home: 0,
      End: last,
    };
    const target = targets[/** @type {keyof typeof targets} */ (event.key)];
    if (target === undefined || at < 0) return;
    event.preventDefault();
    buttons[Math.min(Math.max(target, 0), last)].focus();
  }
}
