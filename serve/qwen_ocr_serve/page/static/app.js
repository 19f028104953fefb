/** The page: shows the session on the screen, and takes what people do to it. */

import { Announcer } from "./announcer.js";
import { AskPanel } from "./ask.js";
import { renderCode } from "./code-panel.js";
import { loadConfig } from "./config.js";
import { confirmRemoval } from "./dialogs.js";
import { element } from "./elements.js";
import { ErrorBar, wordsOf } from "./error-bar.js";
import { PageError, toPageError } from "./errors.js";
import { ExportMenu } from "./export-menu.js";
import { FieldsPanel } from "./fields.js";
import { intake } from "./intake.js";
import { askForKey, storedKey, withKey } from "./key.js";
import { otherLanguage, switchLanguage, t, translatePage } from "./language.js";
import { Session } from "./session.js";
import { keepingFocus, renderHead, renderProgress, renderStatus } from "./status.js";
import { openStore } from "./store.js";
import { Strip } from "./strip.js";
import { tabs } from "./tabs.js";
import { Viewer } from "./viewer.js";

/** @typedef {import("./documents.js").DocumentPage} DocumentPage */

class App {
  /**
   * @param {import("./config.js").Config} config
   * @param {import("./store.js").Store} store
   * @param {ErrorBar} errors
   */
  constructor(config, store, errors) {
    this.config = config;
    this.errors = errors;
    const dialog = element("key-dialog", HTMLDialogElement);
    this.dialog = dialog;
    this.announcer = new Announcer(element("announcer", HTMLElement));
    /** @type {Session} */
    this.session = new Session(config, store, {
      onOpened: (opened) => this.strip.add(opened),
      onClosed: (opened) => this.strip.remove(opened),
      onPage: (page) => this.pageChanged(page),
      onText: (page) => page === this.current && this.#renderPageSoon(),
      onError: (error, name) => errors.add(error, name),
      onStall: (error) => this.stalled(error),
      withKey: (action) => withKey(dialog, action),
    });
    this.strip = new Strip(element("strip", HTMLElement), {
      onChoose: (page) => this.show(page),
      onRemove: (opened) => this.remove(opened),
      thumbnail: (page, signal) => this.session.pictures.thumbnail(page, signal),
    });
    this.viewer = new Viewer(element("picture", HTMLElement), element("text-view", HTMLElement), {
      onChange: (answer) => this.current && this.session.correct(this.current, answer),
    });
    this.exports = new ExportMenu(
      element("export-menu", HTMLElement),
      (scope) => this.session.exported(scope),
      { version: config.version, onError: (error) => errors.add(toPageError(error)) },
    );
    const subject = { config, dialog, page: () => this.session.subject() };
    this.fields = new FieldsPanel(element("fields", HTMLElement), subject);
    this.ask = new AskPanel(subject);
    /** @type {Blob | null} Of the page that is shown, once it is there. */
    this.picture = null;
    this.frameRequested = false;
  }

  /** @returns {DocumentPage | null} The page that is shown. */
  get current() {
    return this.session.documents.current;
  }

  async start() {
    element("model", HTMLElement).textContent = this.config.model;
    const docs = element("docs", HTMLAnchorElement);
    docs.hidden = this.config.docs === null;
    docs.href = this.config.docs ?? "";
    element("tab-fields", HTMLElement).hidden = !FieldsPanel.offered(this.config);
    element("tab-ask", HTMLElement).hidden = !AskPanel.offered(this.config);
    tabs(/** @type {HTMLElement} */ (document.querySelector("[role=tablist]")));
    this.#listen();
    await this.session.restore();
    this.translate();
    await this.show(this.session.documents.pages[0] ?? null);
  }

  #listen() {
    intake(
      (files) => this.take(files),
      () => this.errors.add(new PageError("noFile")),
    );
    const { queue, documents } = this.session;
    /** @type {[string, () => unknown][]} */
    const buttons = [
      ["read", () => this.read()],
      ["read-all", () => this.readAll()],
      ["stop", () => queue.stop()],
      ["previous", () => this.show(documents.neighbour(-1))],
      ["next", () => this.show(documents.neighbour(1))],
      ["clear", () => this.clear()],
      ["key", () => askForKey(this.dialog, false)],
      ["language", () => switchLanguage()],
    ];
    for (const [id, action] of buttons) {
      element(id, HTMLButtonElement).addEventListener("click", async () => {
        await action();
        if (id === "language") this.translate();
        else this.render();
      });
    }
  }

  translate() {
    translatePage();
    element("language", HTMLButtonElement).lang = otherLanguage();
    const parts = [this.strip, this.viewer, this.exports, this.fields, this.ask, this.errors];
    for (const part of parts) part.translate();
    this.render();
  }

  /** @param {File[]} files */
  async take(files) {
    this.errors.clear();
    const taken = this.session.take(files, (first) => this.show(first));
    this.render();
    await taken;
    this.render();
  }

  /** @param {DocumentPage | null} page */
  async show(page) {
    const { documents, queue, pictures } = this.session;
    if (!page && documents.pages.length) return; // beyond the first page or the last
    documents.current = page;
    this.picture = null;
    element("picture-note", HTMLElement).hidden = true;
    this.strip.mark(page);
    this.fields.pageChanged();
    this.ask.pageChanged();
    if (!queue.stopped) queue.go(); // this page is the next one
    this.render();
    if (!page) return;
    if (!page.reading) {
      this.announcer.start(`${t("page", { page: page.number })}, ${t(`state.${page.state}`)}`);
    }
    try {
      const picture = await withKey(this.dialog, () => pictures.of(page));
      if (this.current !== page) return;
      this.picture = picture;
      this.#renderPage();
    } catch (error) {
      if (this.current !== page) return;
      element("picture-note", HTMLElement).replaceChildren(...wordsOf(toPageError(error)));
      element("picture-note", HTMLElement).hidden = false;
    }
  }

  /** The page that is shown, whether it was read before or not. */
  read() {
    this.errors.clear();
    if (this.current) this.session.queue.readNow(this.current);
  }

  readAll() {
    this.errors.clear();
    this.session.queue.go();
  }

  /** @param {DocumentPage} page Its state is another. */
  pageChanged(page) {
    this.strip.update(page);
    if (page === this.current) {
      const state = t(`state.${page.state}`);
      if (page.reading) this.announcer.start(state);
      else this.announcer.finish(page.text || (page.answer?.markdown ?? ""), state);
    }
    keepingFocus(() => {
      if (page === this.current) renderStatus(page);
      this.#renderProgress();
    });
    if (page === this.current) this.#renderPage();
  }

  /** @param {PageError} error Whichever page were read next. */
  async stalled(error) {
    if (error.status === 401 && (await askForKey(this.dialog, storedKey() !== null))) {
      this.session.queue.go();
    } else {
      this.errors.add(error);
    }
    this.render();
  }

  /** @param {import("./documents.js").OpenDocument} opened */
  async remove(opened) {
    if (!(await confirmRemoval(opened.name))) return;
    await this.session.remove(opened);
    await this.show(this.current);
  }

  async clear() {
    if (!(await confirmRemoval(null))) return;
    await this.session.clear();
    this.errors.clear();
    await this.show(null);
  }

  render() {
    const { documents } = this.session;
    const isOpen = documents.list.length > 0;
    element("start", HTMLElement).hidden = isOpen;
    for (const id of ["workbench", "add", "clear"]) element(id, HTMLElement).hidden = !isOpen;
    element("strip", HTMLElement).hidden = documents.pages.length < 2;
    element("key", HTMLButtonElement).hidden = storedKey() === null;
    renderHead(documents);
    renderStatus(this.current);
    this.#renderProgress();
    this.#renderPage();
    renderCode(element("snippets", HTMLElement), {
      origin: location.origin,
      model: this.config.model,
      prompt: this.ask.example,
      file: this.current?.document.name ?? "page.png",
      type: this.picture?.type || "image/png",
    });
  }

  #renderProgress() {
    const { documents, opening, queue } = this.session;
    renderProgress(documents, queue, opening);
    const whole = this.current?.document.pages ?? [];
    const missing = whole.filter((page) => !page.answer).length;
    this.exports.update({
      page: Boolean(this.current?.answer),
      document: missing < whole.length,
      missing,
    });
  }

  #renderPage() {
    const { current, picture } = this;
    if (!current) return;
    const answer = current.reading ? null : current.answer;
    this.viewer.show({ picture, answer, partialText: current.text });
  }

  /** At most once a frame, however much text comes. */
  #renderPageSoon() {
    if (this.frameRequested) return;
    this.frameRequested = true;
    requestAnimationFrame(() => {
      this.frameRequested = false;
      this.#renderPage();
      this.announcer.follow(this.current?.text ?? "");
    });
  }
}

translatePage();
const errors = new ErrorBar();
try {
  const [config, store] = await Promise.all([loadConfig(), openStore()]);
  await new App(config, store, errors).start();
} catch (error) {
  errors.add(new PageError("unreachable", { detail: String(error) }));
}
