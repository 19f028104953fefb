/** The ways in: drop, paste, pick, photograph. */

import { element } from "./elements.js";

/**
 * @param {(file: File) => void} onFile
 * @param {() => void} onNothing What was dropped is no file.
 */
export function intake(onFile, onNothing) {
  const drop = element("drop", HTMLElement);

  for (const [buttonId, inputId] of [
    ["choose", "file-input"],
    ["photo", "photo-input"],
  ]) {
    const input = element(inputId, HTMLInputElement);
    element(buttonId, HTMLButtonElement).addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      input.value = ""; // so that the same file can be chosen again
      if (file) onFile(file);
    });
  }

  // Anywhere on the page: a file that misses its mark must not replace the page.
  let depth = 0;
  document.addEventListener("dragenter", () => drop.classList.toggle("over", ++depth > 0));
  document.addEventListener("dragleave", () => drop.classList.toggle("over", --depth > 0));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    drop.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) onFile(file);
    else onNothing();
  });

  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (!file) return; // text goes where the cursor is
    event.preventDefault();
    onFile(file);
  });
}
