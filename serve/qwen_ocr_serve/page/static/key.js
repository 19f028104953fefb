/** The key, which is kept until this tab is closed and never written into the page. */

import { answerOf } from "./dialogs.js";
import { PageError } from "./errors.js";

const NAME = "qwen-ocr-key";

/** @returns {string | null} */
export function storedKey() {
  return sessionStorage.getItem(NAME);
}

/** @returns {Record<string, string>} */
export function authorization() {
  const key = storedKey();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/**
 * @param {string | null} key null forgets it.
 */
function store(key) {
  if (key) sessionStorage.setItem(NAME, key);
  else sessionStorage.removeItem(NAME);
}

/** @type {Promise<boolean> | null} Several pages may need the key at the same time. */
let asking = null;

/**
 * Asks for the key in a dialog, once for all who need it.
 *
 * @param {HTMLDialogElement} dialog
 * @param {boolean} refused Whether the server has just refused the key that is stored.
 * @returns {Promise<boolean>} Whether a key was given.
 */
export function askForKey(dialog, refused) {
  asking ??= ask(dialog, refused).finally(() => (asking = null));
  return asking;
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {boolean} refused
 * @returns {Promise<boolean>}
 */
async function ask(dialog, refused) {
  const input = /** @type {HTMLInputElement} */ (dialog.querySelector("input"));
  const warning = /** @type {HTMLElement} */ (dialog.querySelector("[data-role=refused]"));
  const forget = /** @type {HTMLElement} */ (dialog.querySelector("[value=forget]"));
  warning.hidden = !refused;
  forget.hidden = storedKey() === null;
  input.value = "";
  const answer = await answerOf(dialog);
  const given = answer === "use" && input.value.trim() !== "";
  if (given) store(input.value.trim());
  if (answer === "forget") store(null);
  input.value = "";
  return given;
}

/**
 * Does `action`, and again after the key was asked for, as long as the server refuses.
 *
 * @template T
 * @param {HTMLDialogElement} dialog
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
export async function withKey(dialog, action) {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      const keyNeeded = error instanceof PageError && error.status === 401;
      if (!keyNeeded || !(await askForKey(dialog, storedKey() !== null))) throw error;
    }
  }
}
