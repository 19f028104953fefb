/** What somebody works on: documents, what was read of them, and what is being read. No screen. */

import { Documents, OpenDocument } from "./documents.js";
import { PageError, toPageError } from "./errors.js";
import { readPage } from "./ocr.js";
import { inspect } from "./opening.js";
import { DPI } from "./pdf.js";
import { Pictures } from "./pictures.js";
import { ReadingQueue } from "./queue.js";

/**
 * @typedef {import("./documents.js").DocumentPage} DocumentPage
 * @typedef {import("./answer.js").Answer} Answer
 *
 * @typedef {object} Listeners
 * @property {(opened: OpenDocument) => void} onOpened
 * @property {(opened: OpenDocument) => void} onClosed
 * @property {(page: DocumentPage) => void} onPage Its state is another.
 * @property {(page: DocumentPage) => void} onText There is more text of it.
 * @property {(error: PageError, name?: string) => void} onError `name` of the file, if it is about
 *   one.
 * @property {(error: PageError) => void} onStall Nothing can be read, and the queue has stopped.
 * @property {<T>(action: () => Promise<T>) => Promise<T>} withKey
 */

export class Session {
  /**
   * @param {import("./config.js").Config} config
   * @param {import("./store.js").Store} store
   * @param {Listeners} listeners
   */
  constructor(config, store, listeners) {
    this.config = config;
    this.store = store;
    this.listeners = listeners;
    this.documents = new Documents();
    this.pictures = new Pictures(config);
    this.queue = new ReadingQueue(this.documents, {
      read: (page, signal) => this.#read(page, signal),
      onChange: (page) => this.#changed(page),
      onStall: (error) => listeners.onStall(error),
    });
    /** Files that are being opened. */
    this.opening = 0;
  }

  /** What was open when the page was left. Nothing is read before somebody asks for it. */
  async restore() {
    this.queue.stopped = true;
    for (const stored of await this.store.documents()) {
      const opened = new OpenDocument(stored);
      for (const [index, answer] of await this.store.answers(stored.id)) {
        opened.pages[index].answer = answer;
      }
      this.#open(opened);
    }
  }

  /**
   * Opens files, and reads all their pages.
   *
   * @param {File[]} files
   * @param {(first: DocumentPage) => void} onFirst Gets the first page that there is.
   */
  async take(files, onFirst) {
    let first = true;
    this.opening += files.length;
    for (const file of files) {
      try {
        const facts = await this.listeners.withKey(() => inspect(file, this.config));
        const added = performance.timeOrigin + performance.now();
        const stored = { id: newId(), name: file.name, added, ...facts };
        const opened = new OpenDocument(stored);
        this.#open(opened);
        if (first) onFirst(opened.pages[0]);
        first = false;
        this.queue.go();
        await this.#keep(() => this.store.putDocument(stored));
      } catch (error) {
        this.listeners.onError(toPageError(error), file.name);
      } finally {
        this.opening--;
      }
    }
  }

  /**
   * @param {DocumentPage} page
   * @param {Answer} answer With a correction.
   */
  correct(page, answer) {
    page.answer = answer;
    return this.#keep(() => this.store.putAnswer(page.document.id, page.index, answer));
  }

  /** @param {OpenDocument} opened */
  async remove(opened) {
    this.#close(opened);
    await this.store.removeDocument(opened.id);
  }

  async clear() {
    for (const opened of [...this.documents.list]) this.#close(opened);
    await this.store.clear();
  }

  /**
   * What is to be exported of the page that is shown, or of its document. Pages that were not read
   * are left out.
   *
   * @param {"page" | "document"} scope
   */
  async exported(scope) {
    const { current } = this.documents;
    const pages = scope === "page" ? [current] : (current?.document.pages ?? []);
    return {
      name: current?.document.title ?? "",
      pages: pages.flatMap((page) =>
        page?.answer ? [{ answer: page.answer, picture: () => this.pictures.of(page) }] : [],
      ),
    };
  }

  /** What questions are about: the page that is shown. */
  async subject() {
    const { current } = this.documents;
    if (!current) return null;
    const picture = await this.pictures.of(current);
    return { picture, name: current.document.name, answer: current.answer };
  }

  /** @param {OpenDocument} opened */
  #open(opened) {
    this.documents.add(opened);
    this.listeners.onOpened(opened);
  }

  /** @param {OpenDocument} opened */
  #close(opened) {
    for (const page of opened.pages) this.queue.forget(page);
    this.documents.remove(opened);
    this.listeners.onClosed(opened);
  }

  /**
   * @param {DocumentPage} page
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>}
   */
  async #read(page, signal) {
    const picture = await this.pictures.of(page);
    signal.throwIfAborted();
    const answer = await readPage(picture, {
      signal,
      onText: (text) => {
        page.text = text;
        this.listeners.onText(page);
      },
    });
    const { dimensions } = answer;
    // A picture of a PDF's page does not say how large the page is, but this browser made it.
    const known = dimensions && page.document.kind === "pdf" ? { ...dimensions, dpi: DPI } : dimensions;
    return { ...answer, index: page.index, dimensions: known };
  }

  /** @param {DocumentPage} page */
  #changed(page) {
    const { answer } = page;
    if (answer && page.state !== "reading") {
      this.#keep(() => this.store.putAnswer(page.document.id, page.index, answer));
    }
    this.listeners.onPage(page);
  }

  /** @param {() => Promise<unknown>} action Without room everything goes on, until a reload. */
  async #keep(action) {
    try {
      await action();
    } catch {
      this.listeners.onError(new PageError("notKept"));
    }
  }
}

/** Unlike `crypto.randomUUID`, also over plain HTTP from another machine. */
function newId() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join("-");
}
