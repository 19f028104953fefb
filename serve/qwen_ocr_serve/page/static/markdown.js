/**
 * Markdown to what the browser shows, and nothing that could do anything: no scripts, styles, links or
 * pictures from elsewhere, whatever a model writes.
 */

import DOMPurify from "./vendor/dompurify/purify.es.mjs";
import { Marked } from "./vendor/marked/marked.esm.js";

/** @typedef {import("./answer.js").Figure} Figure */

const TAGS = [
  ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code"],
  ...["ul", "ol", "li", "dl", "dt", "dd", "b", "strong", "i", "em", "u", "s", "del", "sub", "sup"],
  ...["table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td", "img"],
];
const ATTRIBUTES = ["colspan", "rowspan", "start", "align", "alt", "data-figure", "data-formula"];

const DISPLAYED = /^(?:\$\$[\s\S]+?\$\$|\\\[[\s\S]+?\\\]|\\begin\{(\w+\*?)\}[\s\S]+?\\end\{\1\})/;
// Between single dollars nothing begins or ends with a space, so that amounts of money are none.
const INLINE = /^(?:\\\([\s\S]+?\\\)|\$(?=[^\s$])[^$\n]*?[^\s$\\]\$(?!\d))/;
const MATHEMATICAL = /[\\^_=+<>{|]|^\$[a-zA-Z]\$$/;

/** @type {import("./vendor/marked/marked.esm.js").Extension[]} */
const formulas = [
  {
    name: "displayedFormula",
    level: "block",
    start: (source) => source.match(/\$\$|\\\[|\\begin\{/)?.index,
    tokenizer: (source) => formula(source, DISPLAYED, "displayedFormula"),
    renderer: ({ raw }) => `<p><code data-formula="display">${escaped(raw.trim())}</code></p>`,
  },
  {
    name: "formula",
    level: "inline",
    start: (source) => source.match(/\$|\\[([]/)?.index,
    tokenizer: (source) =>
      formula(source, DISPLAYED, "formula") ?? formula(source, INLINE, "formula"),
    renderer: ({ raw }) =>
      `<code data-formula="${DISPLAYED.test(raw) ? "display" : "inline"}">${escaped(raw)}</code>`,
  },
];

const TAG = /<([a-zA-Z][\w-]*)((?:"[^"]*"|'[^']*'|[^"'>])*)>/g;
const ATTRIBUTE = /\s(?:colspan|rowspan|start|align|alt)\s*=\s*(?:"[^"]*"|'[^']*'|[\w-]+)/gi;

const marked = new Marked({
  gfm: true,
  extensions: formulas,
  renderer: {
    // DOMPurify takes these out, too. But browsers report each handler and style that they see, even
    // in a document that is never shown, as an offence against the content security policy.
    html: ({ text }) =>
      text
        .replace(/<(style|script)\b[\s\S]*?<\/\1\s*>|<(style|script)\b[^>]*>/gi, "")
        .replace(TAG, (_, name, rest) => `<${name}${(rest.match(ATTRIBUTE) ?? []).join("")}>`),
    image: ({ href, text }) => `<img data-figure="${escaped(href)}" alt="${escaped(text)}">`,
  },
});

/**
 * @param {string} source
 * @param {RegExp} pattern
 * @param {string} type
 */
function formula(source, pattern, type) {
  const raw = pattern.exec(source)?.[0];
  return raw && MATHEMATICAL.test(raw) ? { type, raw } : undefined;
}

/**
 * A Markdown text, in which there may be HTML and LaTeX. Formulas are `code[data-formula]` with their
 * source; `formulas.js` makes formulas of them.
 *
 * @param {string} source
 * @param {Figure[]} figures The pictures that it may show, by their ids.
 * @returns {DocumentFragment}
 */
export function renderMarkdown(source, figures) {
  const fragment = DOMPurify.sanitize(marked.parse(source, { async: false }), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const image of fragment.querySelectorAll("img")) {
    const figure = figures.find(({ id }) => id === image.dataset.figure);
    if (figure?.image_base64?.startsWith("data:image/")) image.src = figure.image_base64;
    else image.replaceWith(image.alt);
  }
  for (const table of fragment.querySelectorAll("table")) {
    const frame = document.createElement("div");
    frame.className = "table";
    table.replaceWith(frame);
    frame.append(table);
  }
  return fragment;
}

/** @param {string} text @returns {string} */
function escaped(text) {
  /** @type {Record<string, string>} */
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => entities[character]);
}
