/** The tab with questions about the page: what the model was taught besides reading, or a prompt. */

import { boxesIn, drawBoxes } from "./boxes.js";
import { copy, element } from "./elements.js";
import { wordsOf } from "./error-bar.js";
import { PageError, toPageError } from "./errors.js";
import { prepare } from "./images.js";
import { withKey } from "./key.js";
import { t } from "./language.js";
import { Output } from "./output.js";
import { Reading } from "./reading.js";

const OWN = "own";

/**
 * @typedef {object} Subject
 * @property {import("./config.js").Config} config
 * @property {HTMLDialogElement} dialog Asks for the key.
 * @property {() => Promise<{picture: Blob, name: string, answer: import("./answer.js").Answer | null}
 *   | null>} page The one that is shown.
 */

export class AskPanel {
  /**
   * A model that knows nothing but reading is not asked.
   *
   * @param {import("./config.js").Config} config
   */
  static offered(config) {
    return !config.plain_text_only;
  }

  /** @param {Subject} subject */
  constructor(subject) {
    this.subject = subject;
    this.select = element("preset", HTMLSelectElement);
    this.textarea = element("prompt", HTMLTextAreaElement);
    this.output = new Output(element("text", HTMLElement));
    this.goButton = element("ask-go", HTMLButtonElement);
    this.stopButton = element("ask-stop", HTMLButtonElement);
    this.preview = element("preview", HTMLImageElement);
    /** @type {Reading | null} */
    this.reading = null;
    /** @type {PageError | null} */
    this.error = null;
    this.frameRequested = false;
    for (const name of [OWN, ...subject.config.presets.map((preset) => preset.name)]) {
      this.select.add(new Option(name, name));
    }
    const form = element("ask", HTMLFormElement);
    const copyButton = element("answer-copy", HTMLButtonElement);
    this.select.addEventListener("change", () => this.render());
    this.textarea.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      form.requestSubmit();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    this.stopButton.addEventListener("click", () => this.reading?.stop());
    copyButton.addEventListener("click", () =>
      copy(this.reading?.text ?? "", copyButton, { done: t("copied"), idle: t("copy") }),
    );
  }

  /** What is asked, in the model's own words if it is something that the model was taught. */
  get prompt() {
    const { presets } = this.subject.config;
    return presets.find(({ name }) => name === this.select.value)?.prompt ?? this.textarea.value;
  }

  /** A prompt for code that is shown: what is asked, or what reads a page. */
  get example() {
    const { presets, default_preset: name } = this.subject.config;
    return this.prompt || (presets.find((preset) => preset.name === name)?.prompt ?? "");
  }

  /** The answer was about another page. */
  pageChanged() {
    this.reading?.stop();
    this.reading = null;
    this.error = null;
    this.render();
  }

  translate() {
    for (const option of this.select.options) option.textContent = t(`preset.${option.value}`);
    this.render();
  }

  async run() {
    this.pageChanged();
    const { config, dialog } = this.subject;
    try {
      if (!this.prompt.trim()) throw new PageError("emptyPrompt");
      const page = await this.subject.page();
      if (!page) return;
      const picture = await prepare(page.picture, page.name, config.family);
      const reading = await withKey(dialog, async () => {
        const attempt = new Reading(config, picture, this.prompt);
        this.reading = attempt;
        this.#showPicture(attempt);
        this.render();
        await attempt.run(() => this.#renderSoon());
        if (attempt.error?.status === 401) throw attempt.error;
        return attempt;
      });
      if (this.reading === reading) this.error = reading.error;
    } catch (error) {
      this.error = toPageError(error);
    }
    this.render();
  }

  render() {
    const { reading, error } = this;
    const running = reading !== null && reading.finish === null;
    const focused = document.activeElement;
    this.goButton.hidden = running;
    this.stopButton.hidden = !running;
    // The button that had the focus is gone, so the one in its place takes it.
    if (running && focused === this.goButton) this.stopButton.focus();
    if (!running && focused === this.stopButton) this.goButton.focus();
    element("prompt-field", HTMLElement).hidden = this.select.value !== OWN;
    const alert = element("ask-error", HTMLElement);
    alert.hidden = !error;
    alert.replaceChildren(...(error ? wordsOf(error) : []));
    this.output.show(reading?.parts ?? []);
    const boxes = reading?.withBoxes
      ? boxesIn(reading.text, this.subject.config.family, reading.picture.size)
      : [];
    drawBoxes(element("boxes", SVGSVGElement), boxes);
    element("frame", HTMLElement).hidden = !boxes.length;
    element("answer-foot", HTMLElement).hidden = !reading;
    const finish = element("answer-finish", HTMLElement);
    finish.dataset.finish = reading?.verdict.finish ?? "";
    finish.textContent = reading ? t(reading.verdict.text) : "";
  }

  /** @param {Reading} reading */
  #showPicture(reading) {
    URL.revokeObjectURL(this.preview.src);
    this.preview.src = reading.withBoxes ? URL.createObjectURL(reading.picture.blob) : "";
  }

  /** At most once a frame, however many tokens come. */
  #renderSoon() {
    if (this.frameRequested) return;
    this.frameRequested = true;
    requestAnimationFrame(() => {
      this.frameRequested = false;
      this.render();
    });
  }
}
