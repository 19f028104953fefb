/** What to read: presets, and the prompt that they fill in. */

import { element } from "./elements.js";
import { t } from "./language.js";

const OWN = "own";

export class Asking {
  /**
   * @param {import("./config.js").Config} config
   * @param {() => void} onChange
   */
  constructor(config, onChange) {
    this.config = config;
    this.select = element("preset", HTMLSelectElement);
    this.textarea = element("prompt", HTMLTextAreaElement);
    this.note = element("preset-note", HTMLElement);
    for (const name of [...config.presets.map((preset) => preset.name), OWN]) {
      this.select.add(new Option(name, name));
    }
    this.select.value = config.default_preset;
    this.#fill();
    this.translate();
    this.select.addEventListener("change", () => {
      this.#fill();
      if (this.select.value === OWN) this.textarea.focus();
      onChange();
    });
    this.textarea.addEventListener("input", () => {
      const preset = config.presets.find(({ prompt }) => prompt === this.textarea.value);
      this.select.value = preset?.name ?? OWN;
      this.#renderNote();
      onChange();
    });
    this.textarea.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        element("ask", HTMLFormElement).requestSubmit();
      }
    });
  }

  get prompt() {
    return this.textarea.value;
  }

  translate() {
    for (const option of this.select.options) option.textContent = t(`preset.${option.value}`);
  }

  #fill() {
    const preset = this.config.presets.find(({ name }) => name === this.select.value);
    if (preset) this.textarea.value = preset.prompt;
    this.#renderNote();
  }

  #renderNote() {
    const { plain_text_only: plain, default_preset: known } = this.config;
    this.note.hidden = !plain || this.select.value === known;
    this.note.textContent = t("plainTextOnly");
  }
}
