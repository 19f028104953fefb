/**
 * Sizes as in qwen_ocr/families.py, whose arithmetic this repeats because it runs in the browser.
 *
 * @typedef {[width: number, height: number]} Size In pixels.
 * @typedef {import("./config.js").Family} Family
 */

/**
 * The size to send: `size` itself when it is within the family's budget.
 *
 * @param {Family} family
 * @param {Size} size
 * @returns {Size}
 */
export function fit(family, [width, height]) {
  const { factor, min_tokens: least, budget, longest_side: side } = family;
  const tokens = Math.max(least, budget);
  const longest = side ?? Math.max(width, height);
  const fits = squares(family, width) * squares(family, height) <= tokens;
  if (fits && Math.max(width, height) <= longest) return [width, height];
  const byTokens = Math.sqrt((width * height) / (tokens * factor ** 2));
  const shrink = factor * Math.max(byTokens, Math.max(width, height) / longest);
  return [
    Math.max(1, Math.floor(width / shrink)) * factor,
    Math.max(1, Math.floor(height / shrink)) * factor,
  ];
}

/**
 * The size that the model sees of a picture sent at `size`.
 *
 * @param {Family} family
 * @param {Size} size
 * @returns {Size}
 */
export function resized(family, [width, height]) {
  const { factor, min_tokens: least } = family;
  let columns = squares(family, width);
  let rows = squares(family, height);
  if (columns * rows < least) {
    const grow = Math.sqrt((least * factor ** 2) / (height * width));
    columns = Math.ceil((width * grow) / factor);
    rows = Math.ceil((height * grow) / factor);
  }
  return [columns * factor, rows * factor];
}

/**
 * How many squares of `factor` pixels a side becomes.
 *
 * @param {Family} family
 * @param {number} side In pixels.
 */
function squares({ factor, rounds_up: up }, side) {
  return up ? Math.ceil(side / factor) : roundHalfEven(side / factor);
}

/** Python's `round`. @param {number} value */
function roundHalfEven(value) {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}
