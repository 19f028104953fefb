/** Formulas in LaTeX, as MathML, which browsers set themselves. */

const SCRIPT = "/page/vendor/temml/temml.min.js";

/** @type {Promise<Temml | null> | null} Null in the end where it could not be fetched. */
let loading = null;

/**
 * @typedef {object} Temml
 * @property {(source: string, element: HTMLElement, options: {displayMode: boolean,
 *   throwOnError: boolean, trust: boolean, maxExpand: number, maxSize: [number, number]}) => void} render
 */

/**
 * Sets the formulas in an element. One that cannot be set keeps its source.
 *
 * @param {ParentNode} parent
 */
export async function setFormulas(parent) {
  const elements = /** @type {NodeListOf<HTMLElement>} */ (
    parent.querySelectorAll("code[data-formula]")
  );
  if (!elements.length) return;
  const temml = await (loading ??= load());
  if (!temml) return;
  for (const element of elements) {
    const source = (element.textContent ?? "").replace(/^(\$\$?|\\[[(])|(\$\$?|\\[\])])$/g, "");
    const formula = document.createElement("span");
    try {
      temml.render(source, formula, {
        displayMode: element.dataset.formula === "display",
        throwOnError: true,
        trust: false, // no links and no pictures
        maxExpand: 1000,
        maxSize: [20, 100],
      });
    } catch {
      continue;
    }
    element.replaceChildren(formula);
    element.classList.add("set");
  }
}

/**
 * The library is a classic script, and large: pages without formulas do not need it.
 *
 * @returns {Promise<Temml | null>}
 */
function load() {
  const script = document.createElement("script");
  script.src = SCRIPT;
  return new Promise((resolve) => {
    script.addEventListener("load", () =>
      resolve(/** @type {{temml: Temml}} */ (/** @type {unknown} */ (globalThis)).temml),
    );
    script.addEventListener("error", () => resolve(null));
    document.head.append(script);
  });
}
