/** The tab with code. */

import { copy } from "./elements.js";
import { t } from "./language.js";
import { curl, documentCurl, openaiJavaScript, openaiSdk, pythonClient } from "./snippets.js";

/**
 * @param {HTMLElement} container
 * @param {import("./snippets.js").Call} call
 */
export function renderCode(container, call) {
  renderSnippets(container, [
    { name: "curl", code: curl(call) },
    { name: t("codePython"), code: pythonClient(call) },
    { name: "OpenAI SDK", code: openaiSdk(call) },
    { name: t("codeDocument"), code: documentCurl(call) },
    { name: "OpenAI SDK, JavaScript", code: openaiJavaScript(call) },
  ]);
}

/**
 * @param {HTMLElement} container
 * @param {{name: string, code: string}[]} snippets
 */
export function renderSnippets(container, snippets) {
  container.replaceChildren(...snippets.map(({ name, code }) => section(name, code)));
}

/**
 * @param {string} name
 * @param {string} code
 */
function section(name, code) {
  const whole = document.createElement("section");
  const head = document.createElement("div");
  head.className = "snippet-head";
  const title = document.createElement("h3");
  title.textContent = name;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = t("copy");
  button.setAttribute("aria-label", `${t("copy")}: ${name}`);
  button.addEventListener("click", () =>
    copy(code, button, { done: t("copied"), idle: t("copy") }),
  );
  head.append(title, button);
  const pre = document.createElement("pre");
  pre.tabIndex = 0; // long lines are scrolled with the keyboard, too
  pre.setAttribute("aria-label", name);
  pre.setAttribute("role", "region");
  pre.textContent = code;
  whole.append(head, pre);
  return whole;
}
