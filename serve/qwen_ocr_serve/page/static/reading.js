/** One reading from its first byte to its last: text, tokens, times, and why it ended. */

import { read } from "./chat.js";
import { meanConfidence, partsOf, warningOf } from "./confidence.js";
import { toPageError } from "./errors.js";
import { toDataUrl } from "./images.js";
import { endsInLoop } from "./loop.js";

/** @typedef {"stop" | "length" | "repetition" | "stopped" | "failed"} Finish */

export class Reading {
  /**
   * @param {import("./config.js").Config} config
   * @param {import("./images.js").Picture} picture
   * @param {string} prompt
   */
  constructor(config, picture, prompt) {
    this.config = config;
    this.picture = picture;
    this.prompt = prompt;
    this.text = "";
    /** @type {import("./chat.js").Token[]} */
    this.tokens = [];
    /** @type {import("./chat.js").Usage | null} */
    this.usage = null;
    /** Whether the text of some part of the page was cut off. */
    this.cutOff = false;
    /** @type {Finish | null} null while text is coming. */
    this.finish = null;
    /** @type {import("./errors.js").PageError | null} */
    this.error = null;
    this.started = performance.now();
    /** @type {number | null} Seconds. */
    this.firstToken = null;
    /** @type {number | null} Seconds. */
    this.total = null;
    this.abort = new AbortController();
  }

  /** Whether the answer is to be a list of boxes: the preset that asks for them is unchanged. */
  get withBoxes() {
    const { presets, box_preset: name } = this.config;
    return presets.some((preset) => preset.name === name && preset.prompt === this.prompt);
  }

  get parts() {
    return partsOf(this.text, this.tokens);
  }

  /**
   * How it ended: `finish`, or `doubtful` for a whole text that is not to be trusted.
   *
   * @returns {{finish: Finish | "doubtful" | "reading", text: string}} And the key of its text.
   */
  get verdict() {
    const { text, finish } = this;
    if (finish === null) return { finish: "reading", text: "reading" };
    if (finish === "stop") {
      const warning = warningOf(text, meanConfidence(this.parts), this.config.low_confidence);
      if (warning) return { finish: "doubtful", text: `warning.${warning}` };
      if (this.cutOff) return { finish: "doubtful", text: "warning.cut_off" };
    }
    return { finish, text: `finish.${finish}` };
  }

  get seconds() {
    return (performance.now() - this.started) / 1000;
  }

  stop() {
    this.abort.abort();
  }

  /**
   * Reads to the end, whatever that is: see `finish` and `error`.
   *
   * @param {() => void} onText Called whenever there is more.
   */
  async run(onText) {
    const { config, picture } = this;
    const { signal } = this.abort;
    const template = this.withBoxes ? config.box_request : config.request;
    try {
      const url = await toDataUrl(picture.blob);
      this.started = performance.now();
      for await (const piece of read(template, url, this.prompt, signal)) {
        this.#add(piece);
        onText();
      }
      if (endsInLoop(this.text, this.finish === "stop", config.loop)) this.finish = "repetition";
    } catch (error) {
      if (signal.aborted) {
        this.finish = "stopped";
      } else {
        this.finish = "failed";
        this.error = toPageError(error);
      }
    }
    this.total = this.seconds;
  }

  /** @param {import("./chat.js").Piece} piece */
  #add({ text, tokens, usage, finishReason, stopReason }) {
    if (this.firstToken === null && tokens.length) this.firstToken = this.seconds;
    this.text += text;
    this.tokens.push(...tokens);
    this.usage = usage ?? this.usage;
    this.cutOff ||= stopReason === "cut_off";
    if (finishReason) {
      const { finish_reason: loop } = this.config.loop;
      this.finish =
        finishReason === loop ? "repetition" : finishReason === "length" ? "length" : "stop";
    }
  }
}
