/** Values as a form that people correct. */

import { blocksOf } from "./answer.js";
import { t } from "./language.js";

/** @typedef {import("./answer.js").Answer} Answer */

const INSIDE = /[a-z\d]{2}/; // of two characters: no word ends between them

/**
 * @param {any} value JSON.
 * @param {Answer | null} answer Of the page, to say where on it a value stands.
 * @returns {{element: HTMLElement, read: () => any}} `read` gives the value with corrections.
 */
export function formOf(value, answer) {
  const element = document.createElement("div");
  element.className = "fields-form";
  /** @type {() => any} */
  let read;
  if (Array.isArray(value)) {
    const parts = value.map((item, index) => field(String(index + 1), item, answer));
    element.append(...parts.map((part) => part.element));
    read = () => parts.map((part) => part.read());
  } else {
    const parts = Object.entries(value ?? {}).map(([name, item]) => ({
      name,
      ...field(name, item, answer),
    }));
    element.append(...parts.map((part) => part.element));
    read = () => Object.fromEntries(parts.map((part) => [part.name, part.read()]));
  }
  return { element, read };
}

/**
 * @param {string} name
 * @param {any} value
 * @param {Answer | null} answer
 * @returns {{element: HTMLElement, read: () => any}}
 */
function field(name, value, answer) {
  if (value !== null && typeof value === "object") {
    const group = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = name;
    const { element, read } = formOf(value, answer);
    group.append(legend, element);
    return { element: group, read };
  }
  const label = document.createElement("label");
  label.className = "field";
  const title = document.createElement("span");
  title.textContent = name;
  const written = value === null ? "" : String(value);
  const isLong = written.length > 60 || written.includes("\n");
  const input = document.createElement(isLong ? "textarea" : "input");
  input.value = written;
  if (value === null) input.placeholder = t("fieldsEmpty");
  label.append(title, input);
  const place = placeOf(written, answer);
  if (place) {
    const note = document.createElement("span");
    note.className = "hint";
    note.textContent = t("fieldsPlace", { place });
    label.append(note);
  }
  return { element: label, read: () => corrected(value, input.value) };
}

/**
 * The number of the first block whose text has a value as whole words, 0 for none. A single character
 * stands anywhere, and says nothing.
 *
 * @param {string} value
 * @param {Answer | null} answer
 */
function placeOf(value, answer) {
  const wanted = flat(value);
  if (!answer || wanted.length < 2) return 0;
  return blocksOf(answer).findIndex(({ content }) => hasWords(flat(content), wanted)) + 1;
}

/** @param {string} text */
function flat(text) {
  return text.toLowerCase().replace(/\s+/g, " ").trim();
}

/** @param {string} text @param {string} wanted */
function hasWords(text, wanted) {
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    const end = at + wanted.length;
    const isPart = [at, end].some((edge) => INSIDE.test(text.slice(Math.max(edge - 1, 0), edge + 1)));
    if (!isPart) return true;
  }
  return false;
}

/**
 * What was written, of the kind that the value was.
 *
 * @param {any} value
 * @param {string} written
 */
function corrected(value, written) {
  if (written === (value === null ? "" : String(value))) return value;
  if (typeof value === "number" && written.trim() && Number.isFinite(Number(written))) {
    return Number(written);
  }
  if (typeof value === "boolean" && /^(true|false)$/.test(written)) return written === "true";
  return written;
}
