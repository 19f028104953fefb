/**
 * The element with an id that `index.html` has.
 *
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new TypeError(`no ${type.name} #${id}`);
  return found;
}

/**
 * Copies a text, and says so on the button for a moment.
 *
 * @param {string} text
 * @param {HTMLButtonElement} button
 * @param {{done: string, idle: string}} labels
 */
export async function copy(text, button, labels) {
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else copyWithoutClipboard(text);
  button.textContent = labels.done;
  setTimeout(() => (button.textContent = labels.idle), 2000);
}

/**
 * Copies a table as cells, and says so on the button for a moment.
 *
 * @param {{html: string, text: string}} content
 * @param {HTMLButtonElement} button
 * @param {{done: string, idle: string}} labels
 */
export async function copyCells({ html, text }, button, labels) {
  if (navigator.clipboard) {
    const kinds = Object.entries({ "text/html": html, "text/plain": text });
    const blobs = kinds.map(([type, content]) => [type, new Blob([content], { type })]);
    await navigator.clipboard.write([new ClipboardItem(Object.fromEntries(blobs))]);
  } else copyCellsWithoutClipboard(html, text);
  button.textContent = labels.done;
  setTimeout(() => (button.textContent = labels.idle), 2000);
}

/** @param {string} html @param {string} text */
function copyCellsWithoutClipboard(html, text) {
  const put = (/** @type {ClipboardEvent} */ event) => {
    event.preventDefault();
    event.clipboardData?.setData("text/html", html);
    event.clipboardData?.setData("text/plain", text);
  };
  document.addEventListener("copy", put, { once: true });
  document.execCommand("copy");
  document.removeEventListener("copy", put);
}

/**
 * Browsers hide the clipboard from pages that come over plain HTTP from another machine.
 *
 * @param {string} text
 */
function copyWithoutClipboard(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
}
