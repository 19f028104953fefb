/** The right half of the page: the text, what it cost, how it ended, and what went wrong. */

import { meanConfidence } from "./confidence.js";
import { copy, element } from "./elements.js";
import { formatNumber, t } from "./language.js";
import { Output } from "./output.js";

export class ResultView {
  constructor() {
    this.output = new Output(element("text", HTMLElement));
    /** @type {import("./reading.js").Reading | null} */
    this.reading = null;
    /** @type {import("./errors.js").PageError | null} */
    this.error = null;
    this.busy = "";
    this.copyButton = element("copy", HTMLButtonElement);
    this.downloadButton = element("download", HTMLButtonElement);
    const tint = element("tint", HTMLInputElement);
    tint.addEventListener("change", () =>
      this.output.element.classList.toggle("untinted", !tint.checked),
    );
    this.copyButton.addEventListener("click", () =>
      copy(this.reading?.text ?? "", this.copyButton, { done: t("copied"), idle: t("copy") }),
    );
    this.downloadButton.addEventListener("click", () => this.#download());
  }

  /** Show everything anew. */
  render() {
    const { reading } = this;
    const parts = reading?.parts ?? [];
    this.output.show(parts);
    const empty = element("empty", HTMLElement);
    empty.hidden = Boolean(reading?.text) || Boolean(this.error);
    empty.textContent = this.busy
      ? t(this.busy)
      : t(reading?.finish === "stop" ? "nothingRead" : "textEmpty");
    element("progress", HTMLElement).hidden = !this.busy;
    this.copyButton.disabled = this.downloadButton.disabled = !reading?.text;
    this.#renderError();
    this.#renderFacts(parts);
  }

  #renderError() {
    const { error } = this;
    element("error", HTMLElement).hidden = !error;
    if (!error) return;
    element("error-title", HTMLElement).textContent = t(error.title, error.values);
    element("error-detail", HTMLElement).textContent = error.detail;
    element("error-id", HTMLElement).textContent = error.requestId
      ? `${t("requestId")}: ${error.requestId}`
      : "";
  }

  /** @param {import("./confidence.js").Part[]} parts */
  #renderFacts(parts) {
    const { reading } = this;
    const facts = element("facts", HTMLElement);
    const finish = element("finish", HTMLElement);
    const verdict = reading?.verdict;
    finish.dataset.finish = verdict?.finish ?? "";
    facts.hidden = !reading || (reading.finish === "failed" && !reading.text);
    if (!reading || !verdict || facts.hidden) return;
    finish.textContent = t(verdict.text);
    const mean = meanConfidence(parts);
    element("confidence", HTMLElement).hidden = mean === null;
    element("numbers", HTMLElement).replaceChildren(
      ...fact("tokens", tokens(reading)),
      ...fact("firstToken", seconds(reading.firstToken)),
      ...fact("total", seconds(reading.total ?? reading.seconds)),
      ...fact("confidence", mean === null ? "" : formatNumber(mean, { style: "percent" })),
    );
  }

  #download() {
    const link = document.createElement("a");
    const name = this.reading?.picture.name ?? "";
    link.href = URL.createObjectURL(new Blob([this.reading?.text ?? ""], { type: "text/plain" }));
    link.download = `${name.replace(/\.[^.]*$/, "") || "text"}.txt`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}

/**
 * @param {string} name
 * @param {string} value Nothing is shown for nothing.
 * @returns {HTMLElement[]}
 */
function fact(name, value) {
  if (!value) return [];
  const row = document.createElement("div");
  const term = document.createElement("dt");
  const description = document.createElement("dd");
  term.textContent = t(name);
  description.textContent = value;
  row.append(term, description);
  return [row];
}

/** @param {import("./reading.js").Reading} reading */
function tokens({ usage, tokens: written }) {
  if (!usage) return t("tokensWritten", { written: formatNumber(written.length) });
  return t("tokensValue", {
    read: formatNumber(usage.prompt_tokens),
    written: formatNumber(usage.completion_tokens),
  });
}

/** @param {number | null} value */
function seconds(value) {
  if (value === null) return "";
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return t("seconds", { value: formatNumber(value, digits) });
}
