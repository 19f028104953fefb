/** What a screen reader says of a text that is still coming: whole lines, now and then. */

const INTERVAL = 3000; // milliseconds: long enough to say what was announced before

export class Announcer {
  /** @param {HTMLElement} region A polite live region that nobody sees. */
  constructor(region) {
    this.region = region;
    /** Characters that were announced. */
    this.said = 0;
    this.last = 0;
  }

  /** @param {string} message Whatever is read from now on is another text. */
  start(message) {
    this.said = 0;
    this.#say(message);
  }

  /** @param {string} text All text so far. */
  follow(text) {
    const end = text.lastIndexOf("\n") + 1;
    if (end <= this.said || performance.now() - this.last < INTERVAL) return;
    this.#say(text.slice(this.said, end));
    this.said = end;
  }

  /**
   * @param {string} text The whole text.
   * @param {string} message How it ended.
   */
  finish(text, message) {
    this.#say(`${text.slice(this.said)}\n${message}`);
    this.said = text.length;
  }

  /** @param {string} message */
  #say(message) {
    this.region.textContent = message;
    this.last = performance.now();
  }
}
