/** The files that pages can be saved as. What one format needs is fetched when it is chosen. */

/**
 * @typedef {import("./answer.js").Answer} Answer
 * @typedef {{name: string, pages: {answer: Answer, picture: () => Promise<Blob>}[]}} Exported
 *
 * @typedef {object} Format
 * @property {string} key Of its name in strings.js.
 * @property {string} suffix
 * @property {string} type Its media type.
 * @property {boolean} [tables] It has nothing but tables.
 * @property {(exported: Exported, version: string) => Promise<string | Blob>} make
 */

const answersOf = (/** @type {Exported} */ { pages }) => pages.map(({ answer }) => answer);

/** @type {Format[]} */
export const FORMATS = [
  {
    key: "format.markdown",
    suffix: ".md",
    type: "text/markdown",
    make: async (exported) => (await import("./export-texts.js")).markdown(answersOf(exported)),
  },
  {
    key: "format.pdf",
    suffix: ".pdf",
    type: "application/pdf",
    make: async ({ pages }) => (await import("./export-pdf.js")).searchablePdf(pages),
  },
  {
    key: "format.html",
    suffix: ".html",
    type: "text/html",
    make: async (exported) =>
      (await import("./export-html.js")).html(answersOf(exported), exported.name),
  },
  {
    key: "format.text",
    suffix: ".txt",
    type: "text/plain",
    make: async (exported) => (await import("./export-texts.js")).plainText(answersOf(exported)),
  },
  {
    key: "format.csv",
    suffix: ".csv",
    type: "text/csv",
    tables: true,
    make: async (exported) => (await import("./export-tables.js")).csv(answersOf(exported)),
  },
  {
    key: "format.json",
    suffix: ".json",
    type: "application/json",
    make: async (exported) =>
      (await import("./export-texts.js")).json(answersOf(exported), exported.name),
  },
  {
    key: "format.hocr",
    suffix: ".hocr",
    type: "text/html",
    make: async (exported, version) =>
      (await import("./export-hocr.js")).hocr(answersOf(exported), exported.name, version),
  },
];
