/**
 * What the server tells this page about itself: the same tables that the Python client reads.
 *
 * @typedef {object} Family
 * @property {number} factor Side in pixels of the square that becomes one visual token.
 * @property {number} min_tokens Smaller pictures are enlarged to this by the model's processor.
 * @property {number} budget Visual tokens that a picture may cost.
 * @property {number | null} longest_side Pixels of a picture's longer side; null for any.
 * @property {boolean} rounds_up Whether sides are rounded up to multiples of the factor.
 * @property {number | null} box_range What a box edge counts to; null when it counts pixels of the
 *   picture as the model saw it.
 * @property {boolean} reads_pages Whether a picture shrunk to the budget is still legible to it.
 * @property {number} max_aspect_ratio Longest side ÷ shortest side that any model takes.
 *
 * @typedef {object} LoopRules See qwen_ocr/repetition.py.
 * @property {string} finish_reason
 * @property {number} copies
 * @property {number} copies_when_cut
 * @property {number} min_pattern
 * @property {number} max_pattern
 *
 * @typedef {object} Config
 * @property {string} version
 * @property {string} model
 * @property {boolean} plain_text_only The served model knows one preset.
 * @property {{name: string, prompt: string}[]} presets Of what the served model was taught.
 * @property {string} default_preset
 * @property {string} box_preset
 * @property {string | null} fields_prompt What a prompt for fields begins with, before their form; null
 *   when the served model was not taught to fill one.
 * @property {Record<string, unknown>} request The chat request, less its messages.
 * @property {Record<string, unknown>} box_request The same for the preset that asks for boxes.
 * @property {number} low_confidence The confidence below which a page is doubtful.
 * @property {LoopRules} loop
 * @property {Family} family
 * @property {{path: string, max_bytes: number}} pdf The route that makes pictures of pages.
 * @property {string | null} docs Where the interface is described.
 */

/** @returns {Promise<Config>} */
export async function loadConfig() {
  const response = await fetch("/page/config.json");
  if (!response.ok) throw new Error(`config.json: ${response.status}`);
  return response.json();
}
