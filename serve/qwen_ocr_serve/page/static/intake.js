/** The ways in: drop files or folders, paste, pick, photograph. */

import { element } from "./elements.js";

/** Files that systems put into folders, and that nobody means. */
const HIDDEN = /^(\.|Thumbs\.db$|desktop\.ini$)/i;

/**
 * @param {(files: File[]) => void} onFiles At least one. In the order of their names if they come
 *   from a folder.
 * @param {() => void} onNothing What was dropped is no file.
 */
export function intake(onFiles, onNothing) {
  for (const [buttonId, inputId] of [
    ["choose", "file-input"],
    ["add", "file-input"],
    ["choose-folder", "folder-input"],
    ["photo", "photo-input"],
  ]) {
    const input = element(inputId, HTMLInputElement);
    element(buttonId, HTMLButtonElement).addEventListener("click", () => input.click());
  }
  for (const inputId of ["file-input", "folder-input", "photo-input"]) {
    const input = element(inputId, HTMLInputElement);
    input.addEventListener("change", () => {
      const files = [...(input.files ?? [])];
      input.value = ""; // so that the same file can be chosen again
      const wanted = inputId === "folder-input" ? inOrder(files) : files;
      if (wanted.length) onFiles(wanted);
    });
  }

  // Anywhere on the page: a file that misses its mark must not replace the page.
  let depth = 0;
  /** @param {number} change */
  const entered = (change) => document.body.classList.toggle("over", (depth += change) > 0);
  document.addEventListener("dragenter", () => entered(1));
  document.addEventListener("dragleave", () => entered(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    entered(-depth);
    const files = await filesOf(/** @type {DataTransfer} */ (event.dataTransfer));
    if (files.length) onFiles(files);
    else onNothing();
  });

  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return; // text goes where the cursor is
    event.preventDefault();
    onFiles(files);
  });
}

/**
 * The files that were dropped, and those in folders.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<File[]>}
 */
async function filesOf(transfer) {
  // All entries now: the browser forgets them when this turn of the event loop is over.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (!entries.some((entry) => entry?.isDirectory)) return [...transfer.files];
  const files = await Promise.all(entries.map((entry) => (entry ? filesIn(entry) : [])));
  return files.flat();
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<File[]>}
 */
async function filesIn(entry) {
  if (entry.isFile) {
    const { file } = /** @type {FileSystemFileEntry} */ (entry);
    return [await new Promise((resolve, reject) => file.call(entry, resolve, reject))];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  /** @type {File[]} */
  const files = [];
  for (;;) {
    /** @type {FileSystemEntry[]} A hundred at most. */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return inOrder(files);
    files.push(...(await Promise.all(some.map(filesIn))).flat());
  }
}

/** @param {File[]} files */
function inOrder(files) {
  /** @param {File} file */
  const path = (file) => file.webkitRelativePath || file.name;
  return files
    .filter((file) => !HIDDEN.test(file.name))
    .sort((a, b) => path(a).localeCompare(path(b), undefined, { numeric: true }));
}
