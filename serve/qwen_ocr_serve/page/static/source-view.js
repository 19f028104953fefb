/** What of a Markdown text is seen, and where in the text each character of it is written. */

const HIDDEN = /<!--[\s\S]*?-->|<\/?[a-zA-Z][^>]*>|\]\([^)\s]*\)/y;
const ESCAPED = /\\[!-/:-@[-`{-~]/y;
const ENTITY = /&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,7}|#[xX][\da-fA-F]{1,6});/y;
/** @type {Record<string, string>} */
const CHARACTERS = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };
// Between two words that follow each other there is markup alone.
const MOST_MARKUP = 400;

export class SourceView {
  /** @param {string} source */
  constructor(source) {
    this.source = source;
    this.text = "";
    /** @type {number[]} Where in the source each UTF-16 unit of `text` begins. */
    this.starts = [];
    /** @type {number[]} And where it ends. */
    this.ends = [];
    this.place = 0;
    let at = 0;
    while (at < source.length) {
      const hidden = match(HIDDEN, source, at);
      if (hidden) {
        at += hidden.length;
        continue;
      }
      const written =
        match(ESCAPED, source, at) ?? match(ENTITY, source, at) ?? source.slice(at, at + 1);
      const seen = decoded(written);
      for (let unit = 0; unit < seen.length; unit++) {
        this.starts.push(at);
        this.ends.push(at + written.length);
      }
      this.text += seen;
      at += written.length;
    }
  }

  /**
   * Where the next word is written; words are asked for in their order.
   *
   * @param {string} word
   * @returns {{start: number, end: number} | null}
   */
  next(word) {
    const found = this.text.indexOf(word, this.place);
    if (found < 0 || found - this.place > MOST_MARKUP) return null;
    this.place = found + word.length;
    return { start: this.starts[found], end: this.ends[this.place - 1] };
  }

  /**
   * The same for what is shown as it is written.
   *
   * @param {string} raw
   * @returns {{start: number, end: number} | null}
   */
  nextRaw(raw) {
    const start = this.source.indexOf(raw, this.starts[this.place] ?? this.source.length);
    if (start < 0) return null;
    const end = start + raw.length;
    const after = this.starts.findIndex((from) => from >= end);
    this.place = after < 0 ? this.starts.length : after;
    return { start, end };
  }
}

/** @param {RegExp} pattern Sticky. @param {string} text @param {number} at */
function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

/** @param {string} written @returns {string} */
function decoded(written) {
  if (written.length > 2 && written.startsWith("&#")) {
    const hex = /[xX]/.test(written[2]);
    const code = parseInt(written.slice(hex ? 3 : 2, -1), hex ? 16 : 10);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  }
  if (written.length > 2) return CHARACTERS[written.slice(1, -1)] ?? written;
  return written.length === 2 && written.startsWith("\\") ? written[1] : written;
}

/**
 * Plain text, so that Markdown shows it as it is.
 *
 * @param {string} text
 * @param {string} content That it becomes a part of.
 * @returns {string}
 */
export function asSource(text, content) {
  if (/<table[\s>]/i.test(content)) {
    return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  }
  return text
    .replace(/[\\`*<]|&(?=#?\w+;)/g, "\\$&")
    .replace(/\|/g, content.startsWith("|") ? "\\|" : "|");
}
