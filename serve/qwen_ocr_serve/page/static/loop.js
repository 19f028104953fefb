/**
 * Whether `text` ends in copies of one pattern, as in qwen_ocr/repetition.py; `ended` when the model
 * ended it by itself.
 *
 * @param {string} text
 * @param {boolean} ended
 * @param {import("./config.js").LoopRules} rules
 * @returns {boolean}
 */
export function endsInLoop(text, ended, rules) {
  const copies = ended ? rules.copies : rules.copies_when_cut;
  const longest = Math.min(rules.max_pattern, Math.floor(text.length / copies));
  for (let size = rules.min_pattern; size <= longest; size++) {
    // Copies of a pattern are what equals itself when moved by the pattern's length.
    const start = text.length - size * copies;
    if (text.slice(start, -size) === text.slice(start + size)) return true;
  }
  return false;
}
