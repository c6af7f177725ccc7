// The grid: only what is on the screen is in the page; the keys move through all of it.
import { make, t, whole } from "./dom.js";
import { address, DROP, KEEP } from "./curate-data.js";

const GAP = 8, TALLEST = 12e6, MOST_CELLS = 150, FAST = 480;

export class Grid {
  constructor(element, pictures, moved) {
    this.element = element;
    this.pictures = pictures;
    this.moved = moved;
    this.inner = make("div", { class: "grid-inner", role: "presentation" });
    element.append(this.inner);
    this.cells = new Map();
    this.edge = 128;
    this.at = 0;
    this.anchor = 0;
    this.isAll = false;
    this.isDrawing = false;
    this.lastTop = this.lastAt = 0;
    element.addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => this.resize()).observe(element);
  }

  get count() { return this.pictures.numbers.length; }
  get range() { return [Math.min(this.at, this.anchor), Math.max(this.at, this.anchor)]; }

  chosen() {
    const [first, last] = this.range;
    return this.count ? this.pictures.numbers.subarray(first, last + 1) : this.pictures.numbers;
  }

  resize() {
    const width = this.element.clientWidth - 2 * GAP;
    if (width <= 0) return;
    const wish = width < 420 ? Math.min(this.edge, (width - 2 * GAP) / 3) : this.edge;
    this.columns = Math.max(1, Math.floor((width + GAP) / (wish + GAP)));
    this.cell = Math.floor((width - (this.columns - 1) * GAP) / this.columns);
    this.row = this.cell + GAP;
    this.rows = Math.ceil(this.count / this.columns);
    this.full = this.rows * this.row + GAP;
    this.height = Math.min(this.full, TALLEST);
    this.inner.style.height = `${this.height}px`;
    for (const cell of this.cells.values()) cell.remove();
    this.cells.clear();
    this.draw();
  }

  // Browsers draw elements of some ten million pixels at most: taller grids scroll in proportion.
  get top() {
    const view = this.element.clientHeight, most = this.height - view;
    return most > 0 ? this.element.scrollTop / most * (this.full - view) : 0;
  }

  scrollTo(top) {
    const view = this.element.clientHeight, most = this.full - view;
    this.element.scrollTop = most > 0 ? Math.max(0, top) / most * (this.height - view) : 0;
  }

  soon() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => { this.isDrawing = false; this.draw(); });
  }

  draw() {
    if (!this.row) return;
    const view = this.element.clientHeight, top = this.top, shift = this.element.scrollTop - top;
    const firstRow = Math.max(0, Math.floor(top / this.row)), lastRow = Math.ceil((top + view) / this.row);
    const first = firstRow * this.columns, last = Math.min(this.count, (lastRow + 1) * this.columns, first + MOST_CELLS);
    const numbers = this.pictures.numbers, shown = [];
    for (const [position, cell] of this.cells) if (position < first || position >= last) { cell.remove(); this.cells.delete(position); }
    for (let position = first; position < last; position++) {
      shown.push(numbers[position]);
      const cell = this.cells.get(position) ?? this.made(position);
      const row = Math.floor(position / this.columns);
      cell.style.transform = `translate(${GAP + position % this.columns * this.row}px, ${GAP + row * this.row + shift}px)`;
      this.fill(cell, position);
    }
    if (this.at < first || this.at >= last) this.element.removeAttribute("aria-activedescendant");
    else this.element.setAttribute("aria-activedescendant", `cell-${this.at}`);
    this.want(top, view, first, last, shown);
  }

  // While one scrolls fast, what is on the screen has gone before its thumbnails are there: those come first
  // that will be on it when an answer arrives.
  want(top, view, first, last, shown) {
    const now = performance.now(), lead = (top - this.lastTop) / Math.max(1, now - this.lastAt) * 1.5 * this.pictures.latency;
    const isFast = now - this.lastAt < 400 && Math.abs(lead) > view / 2, numbers = this.pictures.numbers;
    this.lastTop = top;
    this.lastAt = now;
    if (!isFast) {
      this.pictures.want([...shown, ...numbers.subarray(last, last + (last - first))]);
      return;
    }
    const at = Math.max(0, Math.min(this.count - 1, Math.floor((top + lead) / this.row) * this.columns));
    const next = lead > 0 ? [...numbers.subarray(at, at + FAST)] : [...numbers.subarray(Math.max(0, at - FAST), at + (last - first))].reverse();
    this.pictures.want([...next, ...shown]);
  }

  made(position) {
    const cell = make("div", { class: "cell", role: "option", id: `cell-${position}` },
      make("img", { alt: "", draggable: "false", hidden: true }), make("span", { class: "why" }), make("span", { class: "mark", "aria-hidden": "true" }));
    cell.style.width = cell.style.height = `${this.cell}px`;
    cell.dataset.position = position;
    this.cells.set(position, cell);
    this.inner.append(cell);
    return cell;
  }

  fill(cell, position) {
    const number = this.pictures.numbers[position], one = this.pictures.known.get(number), verdict = this.pictures.verdict(number);
    const [first, last] = this.range;
    const isIn = position >= first && position <= last, state = one?.state ?? "waiting";
    const facts = `${number} ${verdict} ${isIn} ${position === this.at} ${one?.turn} ${state} ${this.count} ${one?.out?.length}`;
    if (cell.facts === facts) return;
    cell.facts = facts;
    const said = verdict === KEEP ? t("kept") : verdict === DROP ? t("dropped") : one?.out?.length ? t("left out") : "";
    cell.className = ["cell", isIn && "chosen", position === this.at && "at", verdict === KEEP && "is-kept", verdict === DROP && "is-dropped",
      one?.out?.length && verdict !== KEEP && "is-out", !one?.jpeg && "blank"].filter(Boolean).join(" ");
    cell.setAttribute("aria-selected", String(isIn));
    cell.setAttribute("aria-posinset", String(position + 1));
    cell.setAttribute("aria-setsize", String(this.count));
    cell.setAttribute("aria-label", [one?.name || t("Picture {number}", { number: whole(position + 1) }), said].filter(Boolean).join(", "));
    cell.title = one?.name ?? "";
    const [image, why, mark] = cell.children;
    const shows = one?.jpeg ? one.turn : 0;
    if (cell.shows !== shows) {
      cell.shows = shows;
      if (shows) image.src = address(one); else image.removeAttribute("src");
      image.hidden = !shows;
    }
    why.textContent = one && !one.jpeg && state !== "waiting" ? (state === "gone" ? t("not there any more") : state) : "";
    mark.textContent = verdict === KEEP ? "✓" : verdict === DROP ? "✕" : one?.out?.length ? "–" : "";
  }

  go(position, { extends: isLonger = false } = {}) {
    if (!this.count) return;
    this.at = Math.max(0, Math.min(this.count - 1, position));
    if (!isLonger) this.anchor = this.at;
    this.show();
    this.moved();
  }

  show() {
    if (!this.row) return;
    const top = Math.floor(this.at / this.columns) * this.row, view = this.element.clientHeight, now = this.top;
    if (top < now) this.scrollTo(top);
    else if (top + this.row + GAP > now + view) this.scrollTo(top + this.row + GAP - view);
    this.draw();
  }

  all() {
    this.anchor = 0;
    this.at = Math.max(0, this.count - 1);
    this.draw();
    this.moved();
  }

  page() { return Math.max(1, Math.floor(this.element.clientHeight / this.row)) * this.columns; }
}
