/** The documents that are open, their pages, and which page is shown. */

import { PageError } from "./errors.js";

/**
 * @typedef {import("./answer.js").Answer} Answer
 * @typedef {"waiting" | "reading" | "read" | "doubtful" | "failed"} State
 * @typedef {"pdf" | "picture" | "server"} Kind Who makes pictures of its pages: pdf.js, nobody
 *   because it is one, or the server, for files that no browser opens.
 */

export class DocumentPage {
  /**
   * @param {OpenDocument} document
   * @param {number} index From 0.
   */
  constructor(document, index) {
    this.document = document;
    this.index = index;
    /** @type {Answer | null} With the corrections that were made. */
    this.answer = null;
    /** @type {PageError | null} */
    this.error = null;
    /** Whether it is being read. */
    this.reading = false;
    /** What has been read of it so far. */
    this.text = "";
  }

  get number() {
    return this.index + 1;
  }

  /** @returns {State} */
  get state() {
    if (this.reading) return "reading";
    if (this.error) return "failed";
    if (!this.answer) return "waiting";
    return this.answer.qwen_ocr.warnings.length ? "doubtful" : "read";
  }
}

export class OpenDocument {
  /** @param {{id: string, name: string, kind: Kind, file: Blob, count: number}} facts */
  constructor({ id, name, kind, file, count }) {
    this.id = id;
    this.name = name;
    this.kind = kind;
    this.file = file;
    this.pages = Array.from({ length: count }, (_, index) => new DocumentPage(this, index));
  }

  /** The name without its extension. */
  get title() {
    return this.name.replace(/\.[^.]*$/, "") || this.name;
  }
}

/** All that is open, in the order in which it came. */
export class Documents {
  constructor() {
    /** @type {OpenDocument[]} */
    this.list = [];
    /** @type {DocumentPage | null} The page that is shown. */
    this.current = null;
  }

  /** @returns {DocumentPage[]} */
  get pages() {
    return this.list.flatMap((document) => document.pages);
  }

  /** @param {OpenDocument} document */
  add(document) {
    this.list.push(document);
  }

  /** @param {OpenDocument} document Another page is shown if one of it was. */
  remove(document) {
    const at = this.list.indexOf(document);
    this.list.splice(at, 1);
    if (this.current?.document !== document) return;
    const neighbour = this.list[at] ?? this.list[at - 1];
    this.current = neighbour?.pages[0] ?? null;
  }

  clear() {
    this.list = [];
    this.current = null;
  }

  /**
   * The page that far from the one that is shown, over the ends of documents.
   *
   * @param {number} steps
   * @returns {DocumentPage | null}
   */
  neighbour(steps) {
    if (!this.current) return null;
    const { pages } = this;
    return pages[pages.indexOf(this.current) + steps] ?? null;
  }

  /**
   * What should be read next: the page that is shown and those after it, then those before it.
   *
   * @returns {DocumentPage | null}
   */
  nextWaiting() {
    const { pages } = this;
    const from = this.current ? pages.indexOf(this.current) : 0;
    const ordered = [...pages.slice(from), ...pages.slice(0, from)];
    return ordered.find((page) => page.state === "waiting") ?? null;
  }
}
