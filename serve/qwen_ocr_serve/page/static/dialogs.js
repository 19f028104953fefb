/** Questions that are asked in dialogs. */

import { element } from "./elements.js";
import { t } from "./language.js";

/**
 * Shows a dialog until it is closed.
 *
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<string>} The value of the button that closed it; empty for the Escape key.
 */
export function answerOf(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

/**
 * Asks before something is lost.
 *
 * @param {string | null} name Of the document that is to go; null for all of them.
 * @returns {Promise<boolean>}
 */
export async function confirmRemoval(name) {
  element("remove-title", HTMLElement).textContent =
    name === null ? t("removeAllTitle") : t("removeTitle", { name });
  return (await answerOf(element("remove-dialog", HTMLDialogElement))) === "remove";
}

/** Several files may need a password at the same time: one question after the other. */
let turn = Promise.resolve();

/**
 * Asks for the password of a file.
 *
 * @param {string} name
 * @param {boolean} refused Whether the one that was given last did not open it.
 * @returns {Promise<string | null>} null if none is given.
 */
export function askForPassword(name, refused) {
  const mine = turn.then(async () => {
    const input = element("password-input", HTMLInputElement);
    element("password-title", HTMLElement).textContent = t("passwordTitle", { name });
    element("password-refused", HTMLElement).hidden = !refused;
    input.value = "";
    const answer = await answerOf(element("password-dialog", HTMLDialogElement));
    const password = answer === "open" ? input.value : null;
    input.value = "";
    return password;
  });
  turn = mine.then(() => {});
  return mine;
}
