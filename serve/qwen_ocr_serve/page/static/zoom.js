/** How large a page is shown, which way round, and which part of it. */

/** @typedef {"width" | "page" | null} Fit null after somebody has zoomed. */

const LEAST = 0.05;
const MOST = 8;
const LEAST_DRAG = 4; // CSS pixels
const MARGIN = 12; // CSS pixels around the page
const MOST_ENLARGED = 2; // by fitting: small pictures are not blown up

export class Zoom {
  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} space As large as the page as it is shown.
   * @param {HTMLElement} sheet The page, upright.
   * @param {() => void} onChange
   */
  constructor(scroller, space, sheet, onChange) {
    this.scroller = scroller;
    this.space = space;
    this.sheet = sheet;
    this.onChange = onChange;
    this.width = 0;
    this.height = 0;
    /** CSS pixels for a pixel of the page. */
    this.scale = 1;
    /** Degrees, clockwise, by which somebody turned it. */
    this.turned = 0;
    /** @type {Fit} */
    this.fit = "width";
    new ResizeObserver(() => this.refit()).observe(scroller);
    this.#listen();
  }

  #listen() {
    const { scroller } = this;
    scroller.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        this.by(Math.exp(-event.deltaY / 400), event);
      },
      { passive: false },
    );
    let apart = 0;
    /** @param {TouchEvent} event */
    const pinch = (event) => {
      if (event.touches.length !== 2) return;
      event.preventDefault();
      const [first, second] = event.touches;
      const now = Math.hypot(first.clientX - second.clientX, first.clientY - second.clientY);
      const middle = {
        clientX: (first.clientX + second.clientX) / 2,
        clientY: (first.clientY + second.clientY) / 2,
      };
      if (event.type === "touchmove" && apart > 0) this.by(now / apart, middle);
      apart = now;
    };
    scroller.addEventListener("touchstart", pinch, { passive: false });
    scroller.addEventListener("touchmove", pinch, { passive: false });
    this.#listenToDrags();
    scroller.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "+" || event.key === "=") this.by(1.25);
      else if (event.key === "-") this.by(0.8);
      else if (event.key === "0") this.fitTo("width");
      else return;
      event.preventDefault();
    });
  }

  /** With a mouse the page is taken and moved; fingers scroll it anyway. */
  #listenToDrags() {
    const { scroller } = this;
    /** @type {{x: number, y: number} | null} */
    let last = null;
    let dragged = false;
    scroller.addEventListener(
      "pointerdown",
      ({ pointerType, button, offsetX, offsetY, target, x, y }) => {
        dragged = false;
        const onScrollbar =
          target === scroller &&
          (offsetX > scroller.clientWidth || offsetY > scroller.clientHeight);
        if (pointerType === "mouse" && button === 0 && !onScrollbar) last = { x, y };
      },
    );
    scroller.addEventListener("pointermove", ({ pointerId, x, y }) => {
      if (!last || (!dragged && Math.hypot(x - last.x, y - last.y) < LEAST_DRAG)) return;
      dragged = true;
      scroller.setPointerCapture(pointerId);
      scroller.scrollBy({ left: last.x - x, top: last.y - y, behavior: "instant" });
      last = { x, y };
    });
    for (const end of ["pointerup", "pointercancel"]) {
      scroller.addEventListener(end, () => (last = null));
    }
    // The end of a drag is no click.
    scroller.addEventListener(
      "click",
      (event) => dragged && event.stopImmediatePropagation(),
      true,
    );
  }

  /**
   * @param {number} width Of the upright page.
   * @param {number} height
   */
  resize(width, height) {
    if (width === this.width && height === this.height) return;
    this.width = width;
    this.height = height;
    if (this.fit) this.refit();
    else this.#show();
  }

  /** Another page: it is shown as wide as there is room. */
  reset() {
    this.turned = 0;
    this.fit ??= "width";
    this.width = this.height = 0;
  }

  /** @param {Exclude<Fit, null>} fit */
  fitTo(fit) {
    this.fit = fit;
    this.refit();
  }

  refit() {
    if (!this.fit || !this.width) return;
    const [width, height] = this.#turnedSize;
    const across = (this.scroller.clientWidth - 2 * MARGIN) / width;
    const down = (this.scroller.clientHeight - 2 * MARGIN) / height;
    const fitting = this.fit === "width" ? across : Math.min(across, down);
    this.scale = bounded(Math.min(fitting, MOST_ENLARGED));
    this.#show();
  }

  turn() {
    this.turned = (this.turned + 90) % 360;
    if (this.fit) this.refit();
    else this.#show();
  }

  /**
   * @param {number} factor
   * @param {{clientX: number, clientY: number}} [point] What stays where it is; the middle if left out.
   */
  by(factor, point) {
    const { scroller, space } = this;
    const frame = scroller.getBoundingClientRect();
    const { clientX, clientY } = point ?? {
      clientX: frame.left + scroller.clientWidth / 2,
      clientY: frame.top + scroller.clientHeight / 2,
    };
    const before = space.getBoundingClientRect();
    const across = (clientX - before.left) / before.width;
    const down = (clientY - before.top) / before.height;
    this.fit = null;
    this.scale = bounded(this.scale * factor);
    this.#show();
    const after = space.getBoundingClientRect();
    scroller.scrollLeft += after.left + across * after.width - clientX;
    scroller.scrollTop += after.top + down * after.height - clientY;
  }

  get #turnedSize() {
    return this.turned % 180 ? [this.height, this.width] : [this.width, this.height];
  }

  #show() {
    const { space, sheet, scale } = this;
    const [width, height] = this.#turnedSize;
    space.style.width = `${width * scale}px`;
    space.style.height = `${height * scale}px`;
    sheet.style.width = `${this.width * scale}px`;
    sheet.style.height = `${this.height * scale}px`;
    sheet.style.transform = `translate(-50%, -50%) rotate(${this.turned}deg)`;
    this.onChange();
  }
}

/** @param {number} scale */
function bounded(scale) {
  return Math.min(Math.max(scale, LEAST), MOST);
}
