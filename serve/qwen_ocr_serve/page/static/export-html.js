/** Pages as one HTML file that needs no other and in which nothing runs. */

import { setFormulas } from "./formulas.js";
import { renderMarkdown } from "./markdown.js";

/** @typedef {import("./answer.js").Answer} Answer */

const STYLE = `
body { max-width: 48rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.6 system-ui, sans-serif; }
section + section { margin-top: 3rem; border-top: 1px solid #888; padding-top: 1rem; }
table { border-collapse: collapse; }
th, td { padding: 0.25rem 0.5rem; border: 1px solid #888; text-align: start; vertical-align: top; }
.table { overflow-x: auto; }
img { max-width: 100%; }
pre { white-space: pre-wrap; }
@media print { section + section { border: 0; break-before: page; } }
`;

/**
 * @param {Answer[]} answers
 * @param {string} name The document's.
 * @returns {Promise<string>}
 */
export async function html(answers, name) {
  const made = document.implementation.createHTMLDocument(name);
  const policy = meta(made, "default-src 'none'; img-src data:; style-src 'unsafe-inline'");
  policy.httpEquiv = "Content-Security-Policy";
  meta(made, "width=device-width, initial-scale=1").name = "viewport";
  const charset = made.createElement("meta");
  charset.setAttribute("charset", "utf-8");
  made.head.prepend(charset);
  const style = made.createElement("style");
  style.textContent = STYLE;
  for (const answer of answers) {
    const page = document.createElement("section");
    page.id = `page-${answer.index + 1}`;
    page.append(renderMarkdown(answer.markdown, answer.images));
    await setFormulas(page);
    made.body.append(page);
  }
  // Here, this page's own policy would refuse it.
  const head = made.head.innerHTML + style.outerHTML;
  return `<!doctype html>\n<html>\n<head>${head}</head>\n<body>${made.body.innerHTML}</body>\n</html>\n`;
}

/** @param {Document} made @param {string} content */
function meta(made, content) {
  const element = made.createElement("meta");
  element.content = content;
  made.head.append(element);
  return element;
}
