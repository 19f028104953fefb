/** Buttons with a picture instead of a text. */

import { t } from "./language.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} label The key of its text.
 * @param {string} path What is drawn, in a square of 24.
 * @param {() => void} action
 * @returns {HTMLButtonElement}
 */
export function button(label, path, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "icon";
  made.dataset.label = label;
  made.setAttribute("aria-label", t(label));
  made.title = t(label);
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  drawing.append(line);
  made.append(drawing);
  made.addEventListener("click", action);
  return made;
}
