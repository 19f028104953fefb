/** The tables of pages: as CSV, and as cells for a spreadsheet. */

import { blocksOf } from "./answer.js";
import { renderMarkdown } from "./markdown.js";

/** @typedef {import("./answer.js").Answer} Answer */

// Spreadsheets compute cells that begin so, and a page is written by anybody.
const FORMULA = /^[=@+\-\t\r]/;
const NUMBER = /^[+\-][\s\d.,%]*$/;
const MOST_SPAN = 1000;

/**
 * All tables of a page, row by row. A cell that spans several is in the first of them.
 *
 * @param {Answer} answer
 * @returns {string[][][]}
 */
export function tablesOf(answer) {
  return blocksOf(answer).flatMap((block) =>
    [...renderMarkdown(block.content, []).querySelectorAll("table")].map(cellsOf),
  );
}

/** Whether there is one; faster than to make it. @param {Answer} answer */
export function hasTable(answer) {
  return /<table|^\s*\|?\s*:?-+:?\s*\|/im.test(answer.markdown) && tablesOf(answer).length > 0;
}

/** @param {HTMLTableElement} table @returns {string[][]} */
function cellsOf(table) {
  /** @type {(string | undefined)[][]} */
  const grid = [];
  [...table.rows].forEach((row, y) => {
    const cells = (grid[y] ??= []);
    let x = 0;
    for (const cell of row.cells) {
      while (cells[x] !== undefined) x++;
      const down = Math.min(cell.rowSpan, table.rows.length - y);
      const across = Math.min(cell.colSpan, MOST_SPAN);
      for (let dy = 0; dy < down; dy++) {
        const target = (grid[y + dy] ??= []);
        for (let dx = 0; dx < across; dx++) target[x + dx] = dx || dy ? "" : textOf(cell);
      }
      x += across;
    }
  });
  const width = Math.max(0, ...grid.map((cells) => cells.length));
  return grid.map((cells) => Array.from({ length: width }, (_, x) => cells[x] ?? ""));
}

/** @param {HTMLTableCellElement} cell */
function textOf(cell) {
  for (const end of cell.querySelectorAll("br")) end.replaceWith("\n");
  const text = (cell.textContent ?? "").trim();
  return FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
}

/**
 * RFC 4180, with an empty line between two tables. The mark at its start tells spreadsheets that it is
 * UTF-8.
 *
 * @param {Answer[]} answers
 * @returns {string}
 */
export function csv(answers) {
  const rows = (/** @type {string[][]} */ table) =>
    table.map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("");
  return `\ufeff${answers.flatMap(tablesOf).map(rows).join("\r\n")}`;
}

/** @param {string} cell */
function quoted(cell) {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/**
 * What a spreadsheet takes from the clipboard.
 *
 * @param {Answer[]} answers
 * @returns {{html: string, text: string}}
 */
export function cells(answers) {
  const tables = answers.flatMap(tablesOf);
  const text = tables
    .map((rows) => rows.map((row) => row.map((cell) => cell.replace(/\s+/g, " ")).join("\t")))
    .map((rows) => rows.join("\n"))
    .join("\n\n");
  const holder = document.createElement("div");
  for (const rows of tables) {
    const table = document.createElement("table");
    for (const row of rows) {
      const made = table.insertRow();
      for (const cell of row) made.insertCell().textContent = cell;
    }
    holder.append(table);
  }
  return { html: holder.innerHTML, text };
}
