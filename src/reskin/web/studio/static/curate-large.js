// One picture, large: what is known of it, and the source that it is from.
import { $, get, make, showError, t } from "./dom.js";
import { address, DROP, KEEP } from "./curate-data.js";

function shown(value) { return Number.isInteger(value) ? String(value) : value.toPrecision(3); }

export class Large {
  constructor(pictures, decide, turn) {
    this.pictures = pictures;
    this.box = $("large");
    this.number = 0;
    this.source = null;
    this.decide = decide;
    $("large-image").addEventListener("error", () => this.small());
    $("scrub").addEventListener("input", () => this.scrub(Number($("scrub").value)));
    $("large-zoom").addEventListener("click", () => this.zoom());
    for (const [id, verdict] of [["large-keep", KEEP], ["large-drop", DROP], ["large-clear", 0]]) {
      $(id).addEventListener("click", () => { decide([this.number], verdict); this.mark(); });
    }
    $("large-close").addEventListener("click", () => this.box.close());
    this.box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const does = {
        x: () => { decide([this.number], DROP); this.step(1); }, k: () => { decide([this.number], KEEP); this.step(1); },
        c: () => { decide([this.number], 0); this.mark(); }, u: () => turn("undo"), U: () => turn("redo"), z: () => this.zoom(),
        ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1), Enter: () => this.box.close(),
      }[event.key];
      if (!does || (event.target === $("scrub") && event.key.startsWith("Arrow")) || (event.key === "Enter" && event.target.matches("button"))) return;
      event.preventDefault();
      event.stopPropagation();
      does();
    });
  }

  get isOpen() { return this.box.open; }

  open(grid) {
    this.grid = grid;
    this.source = null;
    this.box.showModal();
    this.show(this.pictures.numbers[grid.at]);
  }

  step(by) {
    if (this.source) {
      const position = Math.max(0, Math.min(this.source.length - 1, this.position + by));
      $("scrub").value = position;
      this.scrub(position);
      return;
    }
    this.grid.go(this.grid.at + by);
    this.show(this.pictures.numbers[this.grid.at]);
  }

  async show(number) {
    this.number = number;
    this.mark();
    $("large-image").src = `${this.pictures.media}/${number}`;
    $("large-name").textContent = this.pictures.known.get(number)?.name ?? "";
    if (!this.source) $("scrub").disabled = true;  // what it knows is of the last picture's source
    let found;
    try {
      found = await get(`${this.pictures.base}/pictures/${number}`);
    } catch (error) { showError($("large-trouble"), error); return; }
    if (number !== this.number) return;
    $("large-trouble").textContent = "";
    $("large-name").textContent = found.name;
    $("large-image").alt = found.name;
    const facts = [[t("Split"), found.split], [t("Source"), found.source_name], [t("Time"), found.at === null ? "" : `${shown(found.at)} s`],
      [t("Left out for"), found.out.join(", ")], ...Object.entries(found.scores).map(([name, value]) => [name, shown(value)])];
    $("large-facts").replaceChildren(...facts.filter(([, value]) => value !== "").map(([name, value]) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, value))));
    if (!this.source) this.follow(found.source, number);
  }

  // The pictures of the same source in the order of time, whatever the grid shows.
  async follow(source, number) {
    $("scrub-field").hidden = source === null;
    if (source === null) return;
    const response = await fetch(`${this.pictures.base}/order?sort=time&source=${source}`, { credentials: "same-origin" });
    if (!response.ok || number !== this.number) return;
    const buffer = await response.arrayBuffer(), length = new DataView(buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const numbers = new Uint32Array(buffer, 4 + length, head.count);
    this.pending = numbers;
    $("scrub").max = Math.max(0, numbers.length - 1);
    $("scrub").value = numbers.indexOf(number);
    $("scrub").disabled = false;
  }

  scrub(position) {
    this.source ??= this.pending;
    this.position = position;
    this.show(this.source[position]);
  }

  small() {
    const known = this.pictures.known.get(this.number);
    if (known?.jpeg && $("large-image").src !== address(known)) $("large-image").src = address(known);
    else $("large-trouble").textContent = known && !known.jpeg && known.state !== "waiting" ? known.state : t("This picture cannot be shown.");
  }

  zoom() {
    const is = $("large-frame").classList.toggle("actual");
    $("large-zoom").setAttribute("aria-pressed", String(is));
  }

  mark() {
    const verdict = this.pictures.verdict(this.number);
    for (const [id, of] of [["large-keep", KEEP], ["large-drop", DROP]]) $(id).setAttribute("aria-pressed", String(verdict === of));
  }
}
