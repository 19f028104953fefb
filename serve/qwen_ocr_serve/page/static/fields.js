/** The tab with fields that are filled from the page. */

import { read } from "./chat.js";
import { renderSnippets } from "./code-panel.js";
import { copy } from "./elements.js";
import { wordsOf } from "./error-bar.js";
import { PageError, toPageError } from "./errors.js";
import { formOf } from "./fields-form.js";
import { promptOf, responseFormat, schemaOf } from "./fields-schema.js";
import { fieldSnippets } from "./fields-snippets.js";
import { prepare, toDataUrl } from "./images.js";
import { withKey } from "./key.js";
import { t } from "./language.js";

export class FieldsPanel {
  /** @param {import("./config.js").Config} config */
  static offered(config) {
    return config.fields_prompt !== null;
  }

  /**
   * @param {HTMLElement} element
   * @param {import("./ask.js").Subject} subject
   */
  constructor(element, subject) {
    this.subject = subject;
    /** @type {AbortController | null} While it is being filled. */
    this.abort = null;
    /** @type {PageError | null} */
    this.error = null;
    /** @type {ReturnType<typeof formOf> | null} */
    this.form = null;

    const form = document.createElement("form");
    form.className = "ask";
    const label = document.createElement("label");
    label.className = "field";
    this.label = document.createElement("span");
    this.textarea = document.createElement("textarea");
    this.textarea.rows = 4;
    this.textarea.spellcheck = false;
    this.hint = document.createElement("p");
    this.hint.className = "hint";
    this.hint.id = "fields-hint";
    this.textarea.setAttribute("aria-describedby", this.hint.id);
    label.append(this.label, this.textarea);
    const go = document.createElement("div");
    go.className = "go";
    this.goButton = document.createElement("button");
    this.goButton.className = "primary";
    this.status = document.createElement("span");
    this.status.className = "hint";
    this.status.setAttribute("role", "status");
    go.append(this.goButton, this.status);
    form.append(label, this.hint, go);

    this.alert = document.createElement("p");
    this.alert.className = "ask-error";
    this.alert.setAttribute("role", "alert");
    this.result = document.createElement("section");
    this.title = document.createElement("h3");
    this.values = document.createElement("div");
    this.copyButton = document.createElement("button");
    this.copyButton.type = "button";
    this.result.append(this.title, this.values, this.copyButton);
    this.code = document.createElement("details");
    this.summary = document.createElement("summary");
    this.snippets = document.createElement("div");
    this.snippets.className = "snippets";
    this.code.append(this.summary, this.snippets);
    element.append(form, this.alert, this.result, this.code);

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.abort) this.abort.abort();
      else this.run();
    });
    this.textarea.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      form.requestSubmit();
    });
    this.textarea.addEventListener("input", () => void this.#renderCode());
    this.code.addEventListener("toggle", () => void this.#renderCode());
    this.copyButton.addEventListener("click", () => {
      const labels = { done: t("copied"), idle: t("fieldsCopy") };
      copy(JSON.stringify(this.form?.read(), null, 2), this.copyButton, labels);
    });
  }

  /** The values were of another page. */
  pageChanged() {
    this.abort?.abort();
    this.abort = null;
    this.error = null;
    this.form = null;
    this.render();
  }

  translate() {
    this.label.textContent = t("fieldsLabel");
    this.textarea.placeholder = t("fieldsPlaceholder");
    this.hint.textContent = t("fieldsHint");
    this.title.textContent = t("fieldsResult");
    this.copyButton.textContent = t("fieldsCopy");
    this.summary.textContent = t("fieldsCode");
    this.render();
  }

  async run() {
    this.pageChanged();
    const abort = new AbortController();
    this.abort = abort;
    this.render();
    try {
      const { config, dialog } = this.subject;
      const written = this.textarea.value;
      const schema = schemaOf(written);
      const prompt = promptOf(config.fields_prompt ?? "", written, schema);
      const page = await this.subject.page();
      if (!page) return;
      const picture = await prepare(page.picture, page.name, config.family);
      const url = await toDataUrl(picture.blob);
      const template = { ...config.request, response_format: responseFormat(schema) };
      const text = await withKey(dialog, async () => {
        let all = "";
        for await (const piece of read(template, url, prompt, abort.signal)) all += piece.text;
        return all;
      });
      if (this.abort === abort) this.form = formOf(valuesIn(text), page.answer);
    } catch (error) {
      if (this.abort === abort && !abort.signal.aborted) this.error = toPageError(error);
    } finally {
      if (this.abort === abort) this.abort = null;
      this.render();
    }
  }

  render() {
    const { abort, error, form } = this;
    this.goButton.textContent = t(abort ? "stop" : "fieldsGo");
    this.status.textContent = abort ? t("fieldsFilling") : "";
    this.alert.hidden = !error;
    this.alert.replaceChildren(...(error ? wordsOf(error) : []));
    this.result.hidden = !form;
    if (form?.element !== this.values.firstChild) {
      this.values.replaceChildren(...(form ? [form.element] : []));
    }
    void this.#renderCode();
  }

  async #renderCode() {
    if (!this.code.open) return;
    const { config } = this.subject;
    const page = await this.subject.page().catch(() => null);
    try {
      const written = this.textarea.value.trim() || t("fieldsPlaceholder");
      const schema = schemaOf(written);
      const call = {
        origin: location.origin,
        model: config.model,
        prompt: promptOf(config.fields_prompt ?? "", written, schema),
        file: page?.name ?? "page.png",
        type: page?.picture.type || "image/png",
      };
      renderSnippets(this.snippets, fieldSnippets(call, schema));
    } catch {
      this.snippets.replaceChildren(); // what is written is no schema yet
    }
  }
}

/** @param {string} text @returns {any} */
function valuesIn(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new PageError("fieldsNotJson", { detail: text.slice(0, 200) });
  }
}
