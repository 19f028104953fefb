/** English or Chinese: the browser's choice until the user makes one. */

import { strings } from "./strings.js";

const NAME = "qwen-ocr-language";

/** @returns {"en" | "zh"} */
function preferred() {
  const stored = localStorage.getItem(NAME);
  if (stored === "en" || stored === "zh") return stored;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

let language = preferred();

/** The other language becomes the chosen one. */
export function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  localStorage.setItem(NAME, language);
}

/**
 * A text in the chosen language.
 *
 * @param {string} key
 * @param {Record<string, string | number>} [values] For the `{names}` in it.
 * @returns {string}
 */
export function t(key, values = {}) {
  const text = strings[key]?.[language] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** @returns {string} As HTML's `lang` has it. */
export function otherLanguage() {
  return language === "en" ? "zh-CN" : "en";
}

/** Every element that names its text gets it: `data-text`, `data-label` or `data-placeholder`. */
export function translatePage() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = t("title");
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (
    document.querySelectorAll("[data-text]")
  )) {
    element.textContent = t(element.dataset.text ?? "");
  }
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (
    document.querySelectorAll("[data-label]")
  )) {
    element.setAttribute("aria-label", t(element.dataset.label ?? ""));
  }
  for (const element of /** @type {NodeListOf<HTMLTextAreaElement>} */ (
    document.querySelectorAll("[data-placeholder]")
  )) {
    element.placeholder = t(element.dataset.placeholder ?? "");
  }
}

/** @param {number} value @param {Intl.NumberFormatOptions} [options] */
export function formatNumber(value, options) {
  return new Intl.NumberFormat(document.documentElement.lang, options).format(value);
}
