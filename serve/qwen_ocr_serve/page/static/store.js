/**
 * What survives a reload: files and what was read of them, in this browser's IndexedDB. Where there
 * is none, as in some private windows, everything works and nothing is kept.
 */

/**
 * @typedef {import("./answer.js").Answer} Answer
 * @typedef {{id: string, name: string, kind: import("./documents.js").Kind, file: Blob,
 *   count: number, added: number}} StoredDocument `added` orders them.
 */

const NAME = "qwen-ocr";
const DOCUMENTS = "documents";
const ANSWERS = "answers";

/** @returns {Promise<Store>} */
export async function openStore() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(DOCUMENTS, { keyPath: "id" });
    request.result.createObjectStore(ANSWERS); // by document and page
  };
  return new Store(await done(request).catch(() => null));
}

export class Store {
  /** @param {IDBDatabase | null} database */
  constructor(database) {
    this.database = database;
  }

  /** @returns {Promise<StoredDocument[]>} In the order in which they were added. */
  async documents() {
    const documents = await this.#do(DOCUMENTS, "readonly", (store) => store.getAll());
    return (documents ?? []).sort(
      (/** @type {StoredDocument} */ a, /** @type {StoredDocument} */ b) => a.added - b.added,
    );
  }

  /**
   * @param {string} id Of a document.
   * @returns {Promise<Map<number, Answer>>} By the index of the page.
   */
  async answers(id) {
    const range = IDBKeyRange.bound([id, 0], [id, Infinity]);
    const keys = await this.#do(ANSWERS, "readonly", (store) => store.getAllKeys(range));
    const values = await this.#do(ANSWERS, "readonly", (store) => store.getAll(range));
    const entries = (keys ?? []).map((/** @type {[string, number]} */ key, /** @type {number} */ at) => [
      key[1],
      values[at],
    ]);
    return new Map(entries);
  }

  /** @param {StoredDocument} document */
  putDocument(document) {
    return this.#do(DOCUMENTS, "readwrite", (store) => store.put(document));
  }

  /**
   * @param {string} id Of the document.
   * @param {number} page Its index.
   * @param {Answer} answer
   */
  putAnswer(id, page, answer) {
    return this.#do(ANSWERS, "readwrite", (store) => store.put(answer, [id, page]));
  }

  /** @param {string} id Of a document, which goes with its answers. */
  async removeDocument(id) {
    await this.#do(DOCUMENTS, "readwrite", (store) => store.delete(id));
    await this.#do(ANSWERS, "readwrite", (store) =>
      store.delete(IDBKeyRange.bound([id, 0], [id, Infinity])),
    );
  }

  async clear() {
    for (const name of [DOCUMENTS, ANSWERS]) {
      await this.#do(name, "readwrite", (store) => store.clear());
    }
  }

  /**
   * @param {string} name
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest} action
   * @returns {Promise<any>} Rejects when the browser's quota is used up.
   */
  async #do(name, mode, action) {
    if (!this.database) return null;
    const transaction = this.database.transaction(name, mode);
    const request = action(transaction.objectStore(name));
    const aborted = new Promise((_, reject) => {
      transaction.onabort = () => reject(transaction.error);
    });
    // At once, so that what was written is kept when the page is closed in the next moment.
    transaction.commit();
    return Promise.race([done(request), aborted]);
  }
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
