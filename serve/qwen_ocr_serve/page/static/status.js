/** How the page that is shown was read: in a word, with its confidence, and what may help. */

import { element } from "./elements.js";
import { wordsOf } from "./error-bar.js";
import { formatNumber, t } from "./language.js";

/** @typedef {import("./documents.js").DocumentPage} DocumentPage */

/** The gravest first: one piece of advice is enough. */
const WARNINGS = ["no_text", "not_understood", "turned", "cut_off", "low_confidence"];

/** @param {DocumentPage | null} page */
export function renderStatus(page) {
  const finish = element("finish", HTMLElement);
  const advice = element("advice", HTMLElement);
  const read = element("read", HTMLButtonElement);
  element("status", HTMLElement).hidden = !page;
  if (!page) return;
  const { state, answer, error } = page;
  finish.dataset.finish = state;
  const isRead = state === "read" || state === "doubtful";
  const confidence = isRead ? answer?.qwen_ocr.confidence : null;
  finish.textContent =
    typeof confidence === "number"
      ? t("stateAndConfidence", {
          state: t(`state.${state}`),
          confidence: formatNumber(confidence, { style: "percent" }),
        })
      : t(`state.${state}`);
  advice.replaceChildren(...(state === "reading" ? [] : adviceOn(page)));
  read.hidden = state === "reading";
  read.textContent = t(answer || error ? "readAgain" : "read");
}

/**
 * @param {DocumentPage} page
 * @returns {Node[]}
 */
function adviceOn({ answer, error }) {
  if (error) return wordsOf(error);
  const warning = WARNINGS.find((code) => answer?.qwen_ocr.warnings.includes(code));
  return warning ? [document.createTextNode(t(`warning.${warning}`))] : [];
}

/**
 * How far the reading is, and what can be done about it.
 *
 * @param {import("./documents.js").Documents} documents
 * @param {import("./queue.js").ReadingQueue} queue
 * @param {number} opening Files that are being opened.
 */
export function renderProgress(documents, queue, opening) {
  const { pages } = documents;
  const waiting = pages.filter((page) => page.state === "waiting").length;
  const reading = queue.running.size > 0;
  const done = pages.filter((page) => page.answer).length;
  element("work", HTMLElement).hidden = !opening && pages.length < 2 && !reading && !queue.busy;
  element("progress", HTMLElement).textContent = opening
    ? t("opening")
    : t(queue.busy ? "busyNow" : "progress", { done, count: pages.length });
  const all = element("read-all", HTMLButtonElement);
  const stop = element("stop", HTMLButtonElement);
  all.textContent = t("readAll", { count: waiting });
  all.hidden = reading || !waiting || pages.length < 2;
  stop.hidden = !reading;
}

/** @param {import("./documents.js").Documents} documents The name and number of the page. */
export function renderHead(documents) {
  const { current } = documents;
  const count = current?.document.pages.length ?? 0;
  element("page-title", HTMLElement).textContent = current?.document.name ?? "";
  element("page-number", HTMLElement).textContent =
    current && count > 1 ? t("pageOf", { page: current.number, count }) : "";
  element("previous", HTMLButtonElement).disabled = !documents.neighbour(-1);
  element("next", HTMLButtonElement).disabled = !documents.neighbour(1);
  element("turn-pages", HTMLElement).hidden = documents.pages.length < 2;
}

/**
 * Renders, and if the button that had the focus is gone then, gives it to the one in its place.
 *
 * @param {() => void} render
 */
export function keepingFocus(render) {
  const focused = document.activeElement;
  render();
  const buttons = ["stop", "read-all", "read"].map((id) => element(id, HTMLButtonElement));
  if (!buttons.some((button) => button === focused && button.hidden)) return;
  buttons.find((button) => !button.hidden)?.focus();
}
