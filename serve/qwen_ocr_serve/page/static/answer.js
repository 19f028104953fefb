/**
 * One page of the answer of `POST /v1/ocr`.
 *
 * @typedef {object} Answer
 * @property {number} index
 * @property {string} markdown
 * @property {any[]} images
 * @property {{dpi: number, height: number, width: number} | null} dimensions
 * @property {any[]} blocks
 * @property {{confidence: number | null, warnings: string[], turned: number, skew: number,
 *   error?: {code: string, message: string}}} qwen_ocr
 */
export {};
