/** A question before something is lost. */

import { element } from "./elements.js";
import { t } from "./language.js";

/**
 * @param {string | null} name Of the document that is to go; null for all of them.
 * @returns {Promise<boolean>}
 */
export function confirmRemoval(name) {
  const dialog = element("remove-dialog", HTMLDialogElement);
  element("remove-title", HTMLElement).textContent =
    name === null ? t("removeAllTitle") : t("removeTitle", { name });
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "remove"), {
      once: true,
    });
  });
}
