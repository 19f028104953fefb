/** A word is corrected in its place. */

import { t } from "./language.js";

/**
 * Enter takes what was written, Escape leaves the word as it was.
 *
 * @param {import("./units.js").Unit} unit
 * @param {(text: string | null, confirmed: boolean) => void} done What was written, without space
 *   around it; null if nothing is to change. `confirmed` is whether Enter was pressed.
 * @returns {HTMLInputElement} What stands in its place.
 */
export function editWord({ element, text, formula }, done) {
  const input = document.createElement("input");
  input.className = "word-input";
  input.value = text;
  input.spellcheck = false;
  input.autocapitalize = "off";
  input.setAttribute("aria-label", t(formula ? "correctFormula" : "correctWord", { word: text }));
  const fit = () => (input.style.width = `${Math.max([...input.value].length, 2) + 1.5}ch`);
  const wide = element.getBoundingClientRect().width;
  input.style.minWidth = `${Math.ceil(wide) + 14}px`;
  fit();
  let ended = false;
  /** @param {string | null} written @param {boolean} confirmed */
  const end = (written, confirmed) => {
    if (ended) return;
    ended = true;
    input.replaceWith(element);
    done(written, confirmed);
  };
  input.addEventListener("input", fit);
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Enter") end(input.value.trim(), true);
    if (event.key === "Escape") end(null, false);
  });
  input.addEventListener("blur", () => end(input.value.trim(), false));
  element.replaceWith(input);
  input.focus();
  input.select();
  return input;
}
