// Pictures of a dataset as values of a setting: chosen by their small versions.
import { get, make, Refused, showError, t } from "./dom.js";
import { address, Pictures } from "./curate-data.js";

const MOST = 60, TRIES = 120;

class Picker {
  constructor(field) {
    this.set = field.querySelector(".pick-set");
    this.value = field.querySelector("[type=hidden]");
    this.list = field.querySelector(".picks");
    this.said = field.querySelector(".pick-said");
    this.chosen = new Set();
    this.set.addEventListener("change", () => this.open());
    this.value.addEventListener("change", () => { if (!this.value.value) { this.chosen.clear(); this.draw(); } });
  }

  async open() {
    const set = this.set.value;
    this.list.hidden = true;
    this.list.replaceChildren();
    this.pictures = null;
    this.draw();
    if (!set) return;
    const pictures = new Pictures(set, () => this.draw());
    try {
      for (let turn = 0; turn < TRIES && this.set.value === set; turn += 1) {
        const found = await get(`/api/sets/${set}/changes`);
        if (found.fault) throw new Refused(400, found.fault);
        if (found.total) {
          await pictures.load({ sort: "position", way: "up", show: "all" });
          this.pictures = pictures;
          this.fill(set);
          return;
        }
        this.said.textContent = t("The dataset has changed; it is being read.");
        await new Promise((done) => setTimeout(done, 1000));
      }
    } catch (error) { showError(this.said, error); }
  }

  fill(set) {
    this.numbers = [...this.pictures.numbers.slice(0, MOST)];
    this.buttons = this.numbers.map((number) => make("button", { type: "button", class: "pick", "aria-pressed": "false", onclick: () => this.turn(`${set}:${number}`) }));
    this.list.replaceChildren(...this.buttons);
    this.list.hidden = false;
    this.pictures.want(this.numbers);
    this.draw();
  }

  turn(id) {
    if (!this.chosen.delete(id)) this.chosen.add(id);
    this.value.value = [...this.chosen].join(" ");
    this.value.dispatchEvent(new Event("input"));
    this.draw();
  }

  draw() {
    const parts = this.chosen.size ? [t("{count} chosen", { count: this.chosen.size })] : [];
    if (this.pictures && this.pictures.numbers.length > MOST) parts.push(t("Only the first {count} are shown.", { count: MOST }));
    this.said.textContent = parts.join(" · ");
    this.said.lang = document.documentElement.lang;
    if (!this.pictures) return;
    let isWaiting = false;
    for (const [at, button] of this.buttons.entries()) {
      const one = this.pictures.known.get(this.numbers[at]);
      button.setAttribute("aria-pressed", String(this.chosen.has(`${this.set.value}:${this.numbers[at]}`)));
      if (!one || one.state === "waiting") { isWaiting = true; continue; }
      if (button.title === one.name && button.firstChild) continue;
      button.title = one.name;
      button.replaceChildren(one.jpeg ? make("img", { src: address(one), alt: one.name }) : one.name);
    }
    clearTimeout(this.timer);
    if (isWaiting) this.timer = setTimeout(() => this.pictures?.want(this.numbers), 500);
  }
}

for (const one of document.querySelectorAll(".pick-set")) new Picker(one.closest(".field"));
