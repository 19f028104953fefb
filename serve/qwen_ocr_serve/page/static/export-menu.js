/** Takes the text away: to the clipboard, and as a file of the page or of its document. */

import { copy, copyCells } from "./elements.js";
import { FORMATS } from "./export-formats.js";
import { cells, hasTable } from "./export-tables.js";
import { markdownOf } from "./export-texts.js";
import { t } from "./language.js";

/**
 * @typedef {"page" | "document"} Scope
 * @typedef {import("./export-formats.js").Exported} Exported
 * @typedef {import("./export-formats.js").Format} Format
 */

const GAP = 4; // pixels between the button and what it opens

export class ExportMenu {
  /**
   * @param {HTMLElement} element
   * @param {(scope: Scope) => Promise<Exported>} source
   * @param {{version: string, onError: (error: unknown) => void}} options `version` of qwen-ocr.
   */
  constructor(element, source, { version, onError }) {
    this.source = source;
    this.version = version;
    this.onError = onError;
    this.copyButton = button(() => this.#copy());
    this.openButton = button(() => {});
    this.openButton.setAttribute("aria-haspopup", "dialog");
    this.panel = document.createElement("div");
    this.panel.id = "export-panel";
    this.panel.className = "export-panel";
    this.panel.popover = "auto";
    this.panel.setAttribute("role", "dialog");
    this.openButton.popoverTargetElement = this.panel;
    this.note = document.createElement("p");
    this.note.className = "hint";
    this.scopes = document.createElement("fieldset");
    this.scopeTitle = document.createElement("legend");
    this.scopes.append(this.scopeTitle, this.#scope("page"), this.#scope("document"));
    this.buttons = FORMATS.map((format) => ({ format, made: button(() => this.#save(format)) }));
    this.cellsButton = button(() => this.#copyCells());
    const list = document.createElement("div");
    list.className = "export-formats";
    list.append(...this.buttons.map(({ made }) => made), this.cellsButton);
    this.panel.append(this.scopes, list, this.note);
    this.panel.addEventListener("beforetoggle", (event) => {
      if (event.newState === "open") void this.#offer();
    });
    this.panel.addEventListener("toggle", (event) => {
      if (event.newState === "open") this.#place();
    });
    element.append(this.copyButton, this.openButton, this.panel);
    this.what = { page: false, document: false, missing: 0 };
  }

  /** @returns {Scope} */
  get scope() {
    return this.panel.querySelector("input:checked")?.getAttribute("value") === "document"
      ? "document"
      : "page";
  }

  /** @param {{page: boolean, document: boolean, missing: number}} what There is to export. */
  update(what) {
    this.what = what;
    this.copyButton.disabled = !what.page;
    this.openButton.disabled = !what.page && !what.document;
    const [page, whole] = this.#inputs;
    page.disabled = !what.page;
    whole.disabled = !what.document;
    if (!what.page) whole.checked = true;
    if (!what.document) page.checked = true;
    this.translate();
  }

  /** Say everything in the language that was chosen. */
  translate() {
    const { missing } = this.what;
    this.copyButton.textContent = t("copy");
    this.openButton.textContent = t("export");
    this.panel.setAttribute("aria-label", t("export"));
    this.scopeTitle.textContent = t("exportWhat");
    for (const input of this.#inputs) {
      const label = /** @type {HTMLElement} */ (input.nextElementSibling);
      label.textContent = t(`export.${input.value}`);
    }
    for (const { format, made } of this.buttons) {
      const suffix = document.createElement("span");
      suffix.textContent = format.suffix;
      made.replaceChildren(t(format.key), " ", suffix);
    }
    this.cellsButton.textContent = t("copyCells");
    const isPart = missing > 0 && this.scope === "document";
    this.note.textContent = isPart ? t("pagesMissing", { count: missing }) : "";
  }

  /** @returns {HTMLInputElement[]} */
  get #inputs() {
    return [...this.scopes.querySelectorAll("input")];
  }

  /** @param {Scope} scope */
  #scope(scope) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "radio";
    input.name = "export-scope";
    input.value = scope;
    input.checked = scope === "page";
    input.addEventListener("change", () => {
      this.translate();
      void this.#offer();
    });
    label.append(input, document.createElement("span"));
    return label;
  }

  /** Tables can be saved where there is one. */
  async #offer() {
    const { pages } = await this.source(this.scope);
    const none = !pages.some(({ answer }) => hasTable(answer));
    this.cellsButton.disabled = none;
    for (const { format, made } of this.buttons) if (format.tables) made.disabled = none;
  }

  /** Under its button, inside the window. */
  #place() {
    const { bottom, right } = this.openButton.getBoundingClientRect();
    const { width, height } = this.panel.getBoundingClientRect();
    this.panel.style.left = `${Math.max(GAP, right - width)}px`;
    this.panel.style.top = `${Math.max(GAP, Math.min(bottom + GAP, innerHeight - height - GAP))}px`;
  }

  async #copy() {
    const { pages } = await this.source("page");
    const text = markdownOf(pages.map(({ answer }) => answer));
    copy(text, this.copyButton, { done: t("copied"), idle: t("copy") });
  }

  async #copyCells() {
    const { pages } = await this.source(this.scope);
    const labels = { done: t("copied"), idle: t("copyCells") };
    copyCells(cells(pages.map(({ answer }) => answer)), this.cellsButton, labels);
  }

  /** @param {Format} format */
  async #save(format) {
    const { scope } = this;
    this.panel.hidePopover();
    this.openButton.disabled = true;
    this.openButton.textContent = t("exporting");
    try {
      const exported = await this.source(scope);
      const made = await format.make(exported, this.version);
      const name = exported.name || "text";
      save(new Blob([made], { type: format.type }), `${name}${format.suffix}`);
    } catch (error) {
      this.onError(error);
    }
    this.update(this.what);
  }
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** @param {() => void} action */
function button(action) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "quiet";
  made.addEventListener("click", action);
  return made;
}
