/** Reads pages one after the other, a few at a time, those that are shown first. */

import { toPageError } from "./errors.js";

/**
 * @typedef {import("./documents.js").DocumentPage} DocumentPage
 */

const AT_A_TIME = 2;
const BUSY_PAUSE = 3000; // milliseconds until a server that was busy is asked again

export class ReadingQueue {
  /**
   * @param {import("./documents.js").Documents} documents
   * @param {{
   *   read: (page: DocumentPage, signal: AbortSignal) => Promise<import("./answer.js").Answer>,
   *   onChange: (page: DocumentPage) => void,
   *   onStall: (error: import("./errors.js").PageError) => void,
   * }} actions `onChange` when the state of a page is another; `onStall` when nothing can be read,
   *   whichever page it is, and the queue has stopped.
   */
  constructor(documents, actions) {
    this.documents = documents;
    this.actions = actions;
    this.stopped = false;
    /** @type {Map<DocumentPage, AbortController>} */
    this.running = new Map();
    /** Whether the server has just had no place for a page. */
    this.busy = false;
    this.busyUntil = 0;
  }

  /** Read everything that waits. */
  go() {
    this.stopped = false;
    this.#next();
  }

  /** Read no more. What is being read waits again. */
  stop() {
    this.stopped = true;
    for (const page of [...this.running.keys()]) this.#cancel(page);
  }

  /** @param {DocumentPage} page Is being read, and is to wait again. */
  #cancel(page) {
    this.forget(page);
    page.reading = false;
    this.actions.onChange(page);
  }

  /** @param {DocumentPage} page Is gone. */
  forget(page) {
    this.running.get(page)?.abort();
    this.running.delete(page);
  }

  /** @param {DocumentPage} page Is read now, whatever else is and even if it was read before. */
  readNow(page) {
    if (this.running.has(page)) return;
    page.error = null;
    this.#read(page);
  }

  /** The page that is shown does not wait for others. */
  #next() {
    if (this.stopped || performance.now() < this.busyUntil) return;
    const { current } = this.documents;
    if (current?.state === "waiting") this.#read(current);
    while (this.running.size < AT_A_TIME) {
      const page = this.documents.nextWaiting();
      if (!page) return;
      this.#read(page);
    }
  }

  /** @param {DocumentPage} page */
  async #read(page) {
    const abort = new AbortController();
    this.running.set(page, abort);
    page.reading = true;
    page.text = "";
    this.actions.onChange(page);
    try {
      const answer = await this.actions.read(page, abort.signal);
      if (abort.signal.aborted) return;
      page.answer = answer;
      this.busy = false;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#fail(page, error);
    }
    this.running.delete(page);
    page.reading = false;
    this.actions.onChange(page);
    this.#next();
  }

  /**
   * @param {DocumentPage} page
   * @param {unknown} error
   */
  #fail(page, error) {
    const failure = toPageError(error);
    if (failure.title === "busy") {
      this.busy = true;
      this.busyUntil = performance.now() + BUSY_PAUSE;
      setTimeout(() => this.#next(), BUSY_PAUSE);
    } else if (failure.concernsAll) {
      this.stopped = true;
      this.actions.onStall(failure);
    } else {
      page.error = failure;
    }
  }
}
