/** A failure that the user is told about: a text of `strings.js`, or the server's own words. */
export class PageError extends Error {
  /**
   * @param {string} title Key of a text.
   * @param {{detail?: string, values?: Record<string, string | number>, requestId?: string | null,
   *   status?: number}} [facts]
   */
  constructor(title, { detail = "", values = {}, requestId = null, status = 0 } = {}) {
    super(detail || title);
    this.title = title;
    this.detail = detail;
    this.values = values;
    this.requestId = requestId;
    this.status = status;
  }

  /** Whether nothing can be read for now, whichever page it is. */
  get concernsAll() {
    return this.title === "unreachable" || this.title === "keyNeeded" || this.title === "busy";
  }
}

/**
 * @param {unknown} error
 * @returns {PageError}
 */
export function toPageError(error) {
  if (error instanceof PageError) return error;
  return new PageError("unexpected", { detail: String(error) });
}

/**
 * The error that an answer of the server is: `{"error": {"message"}}` of the OpenAI routes,
 * `{"message"}` of the others, and whatever a proxy before it says.
 *
 * @param {Response} response
 * @returns {Promise<PageError>}
 */
export async function errorOf(response) {
  const text = await response.text().catch(() => "");
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = null;
  }
  const titles = { 401: "keyNeeded", 403: "keyNeeded", 413: "tooLarge", 429: "busy", 503: "busy" };
  const title = titles[/** @type {keyof typeof titles} */ (response.status)];
  return new PageError(title ?? (response.status < 500 ? "refused" : "failed"), {
    detail: messageOf(body) || `HTTP ${response.status} ${response.statusText}`.trim(),
    requestId: requestIdOf(response, body),
    status: response.status,
  });
}

/**
 * @param {any} body
 * @returns {string}
 */
export function messageOf(body) {
  const message = body?.error?.message ?? body?.message ?? body?.detail;
  return typeof message === "string" ? message : "";
}

/**
 * @param {Response} response
 * @param {any} body
 * @returns {string | null}
 */
function requestIdOf(response, body) {
  return (
    response.headers.get("x-request-id") ?? body?.error?.request_id ?? body?.request_id ?? null
  );
}
