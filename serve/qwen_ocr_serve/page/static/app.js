/** The page: takes a file, has it read, shows what comes. */

import { Announcer } from "./announcer.js";
import { Asking } from "./asking.js";
import { boxesIn, drawBoxes } from "./boxes.js";
import { renderCode } from "./code-panel.js";
import { loadConfig } from "./config.js";
import { element } from "./elements.js";
import { PageError } from "./errors.js";
import { isPdf, prepare } from "./images.js";
import { intake } from "./intake.js";
import { askForKey, storedKey, withKey } from "./key.js";
import { otherLanguage, switchLanguage, t, translatePage } from "./language.js";
import { Strip, THUMBNAIL_WIDTH, renderPage } from "./pdf.js";
import { Reading, toPageError } from "./reading.js";
import { ResultView } from "./result.js";
import { tabs } from "./tabs.js";

class App {
  /** @param {import("./config.js").Config} config */
  constructor(config) {
    this.config = config;
    this.result = new ResultView();
    this.announcer = new Announcer(element("announcer", HTMLElement));
    this.asking = new Asking(config, () => this.renderCode());
    this.strip = new Strip(element("strip", HTMLElement), (page) => this.openPage(page));
    this.dialog = element("key-dialog", HTMLDialogElement);
    this.preview = element("preview", HTMLImageElement);
    this.boxes = element("boxes", SVGSVGElement);
    this.readButton = element("read", HTMLButtonElement);
    this.stopButton = element("stop", HTMLButtonElement);
    /** @type {File | null} What was given. */
    this.file = null;
    /** @type {import("./images.js").Picture | null} What can be read of it. */
    this.picture = null;
    /** Cancels what the last file or page began. */
    this.opening = new AbortController();
    this.frameRequested = false;
  }

  start() {
    element("model", HTMLElement).textContent = this.config.model;
    const docs = element("docs", HTMLAnchorElement);
    docs.hidden = this.config.docs === null;
    docs.href = this.config.docs ?? "";
    intake(
      (file) => this.take(file),
      () => this.fail(new PageError("noFile")),
    );
    tabs(/** @type {HTMLElement} */ (document.querySelector("[role=tablist]")), (tab) => {
      element("actions", HTMLElement).hidden = tab.id !== "tab-text";
    });
    element("ask", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.read();
    });
    this.stopButton.addEventListener("click", () => this.result.reading?.stop());
    element("key", HTMLButtonElement).addEventListener("click", async () => {
      await askForKey(this.dialog, false);
      this.render();
    });
    element("language", HTMLButtonElement).addEventListener("click", () => {
      switchLanguage();
      this.translate();
    });
    this.translate();
  }

  translate() {
    element("language", HTMLButtonElement).lang = otherLanguage();
    this.asking.translate();
    this.strip.translate();
    this.render();
  }

  /** @param {File} file */
  take(file) {
    this.file = file;
    this.strip.clear();
    this.#open(async (signal) => {
      const head = new Uint8Array(await file.slice(0, 1024).arrayBuffer());
      if (!isPdf(head)) return prepare(file, file.name, this.config.family);
      const { blob, count } = await withKey(this.dialog, () =>
        renderPage(file, 1, this.config, { signal }),
      );
      if (!signal.aborted) {
        this.strip.show(count, async (page, stripSignal) => {
          const options = { width: THUMBNAIL_WIDTH, signal: stripSignal };
          return (await renderPage(file, page, this.config, options)).blob;
        });
      }
      return prepare(blob, file.name, this.config.family);
    });
  }

  /** @param {number} page Of the PDF that was given, from 1. */
  openPage(page) {
    const file = /** @type {File} */ (this.file);
    this.strip.mark(page);
    this.#open(async (signal) => {
      const { blob } = await withKey(this.dialog, () =>
        renderPage(file, page, this.config, { signal }),
      );
      return prepare(blob, file.name, this.config.family);
    });
  }

  /**
   * Show a picture and read it, unless another one was given in the meantime.
   *
   * @param {(signal: AbortSignal) => Promise<import("./images.js").Picture>} load
   */
  async #open(load) {
    this.opening.abort();
    this.opening = new AbortController();
    const { signal } = this.opening;
    this.result.reading?.stop();
    this.result.reading = null;
    this.result.error = null;
    this.result.busy = "preparing";
    this.picture = null;
    this.#showPreview(null);
    this.render();
    try {
      const picture = await load(signal);
      if (signal.aborted) return;
      this.picture = picture;
      await this.#showPreview(picture.blob);
      if (!signal.aborted) this.read();
    } catch (error) {
      if (!signal.aborted) this.fail(toPageError(error));
    }
  }

  async read() {
    const { picture, result } = this;
    const prompt = this.asking.prompt;
    if (!picture) return this.fail(new PageError("noPicture"));
    if (!prompt.trim()) return this.fail(new PageError("emptyPrompt"));
    result.reading?.stop();
    const reading = new Reading(this.config, picture, prompt);
    result.reading = reading;
    result.error = null;
    result.busy = "reading";
    this.announcer.start(t("reading"));
    this.render();
    bringIntoView(element("result", HTMLElement));
    await reading.run(() => this.#renderSoon());
    if (result.reading !== reading) return; // another one has begun
    result.busy = "";
    result.error = reading.error;
    this.render();
    this.announcer.finish(reading.text, t(reading.verdict.text));
    if (reading.error?.status === 401 && (await askForKey(this.dialog, storedKey() !== null))) {
      this.read();
    }
  }

  /** @param {PageError} error */
  fail(error) {
    this.result.busy = "";
    this.result.error = error;
    this.render();
  }

  render() {
    const reading = this.result.reading;
    const running = this.result.busy === "reading";
    const focused = document.activeElement;
    this.readButton.hidden = running;
    this.stopButton.hidden = !running;
    this.readButton.textContent = t(reading ? "readAgain" : "read");
    // The button that had the focus is gone, so the one in its place takes it.
    if (running && focused === this.readButton) this.stopButton.focus();
    if (!running && focused === this.stopButton) this.readButton.focus();
    element("key", HTMLButtonElement).hidden = storedKey() === null;
    element("file", HTMLElement).textContent = this.file?.name ?? "";
    element("choose", HTMLButtonElement).textContent = t(this.file ? "chooseOther" : "choose");
    this.preview.alt = t("pictureAlt", { name: this.file?.name ?? "" });
    this.result.render();
    this.#renderBoxes();
    this.renderCode();
  }

  renderCode() {
    renderCode(element("snippets", HTMLElement), {
      origin: location.origin,
      model: this.config.model,
      prompt: this.asking.prompt,
      file: this.file?.name ?? "page.png",
      type: this.picture?.blob.type ?? "image/png",
    });
  }

  /** At most once a frame, however many tokens come. */
  #renderSoon() {
    if (this.frameRequested) return;
    this.frameRequested = true;
    requestAnimationFrame(() => {
      this.frameRequested = false;
      this.result.render();
      this.#renderBoxes();
      this.announcer.follow(this.result.reading?.text ?? "");
    });
  }

  #renderBoxes() {
    const reading = this.result.reading;
    const boxes = reading?.withBoxes
      ? boxesIn(reading.text, this.config.family, reading.picture.size)
      : [];
    drawBoxes(this.boxes, boxes);
  }

  /** @param {Blob | null} blob */
  async #showPreview(blob) {
    URL.revokeObjectURL(this.preview.src);
    element("frame", HTMLElement).hidden = !blob;
    element("invitation", HTMLElement).hidden = Boolean(blob);
    if (!blob) return this.preview.removeAttribute("src");
    this.preview.src = URL.createObjectURL(blob);
    // Until then nobody knows how much room the picture takes. If it is replaced, that is no error.
    await this.preview.decode().catch(() => {});
  }
}

/**
 * On a phone the text begins below what is seen. Motion is as the style sheet has it.
 *
 * @param {HTMLElement} card
 */
function bringIntoView(card) {
  if (card.getBoundingClientRect().top > innerHeight / 2) card.scrollIntoView();
}

translatePage();
try {
  new App(await loadConfig()).start();
} catch (error) {
  const view = new ResultView();
  view.error = new PageError("unreachable", { detail: String(error) });
  view.render();
}
