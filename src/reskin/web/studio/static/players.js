// Films with one clock: the first is the master, the others follow by speed and, when far off, by a jump.
import { make, t } from "./dom.js";
import { frameTimes } from "./frame-times.js";

const AHEAD = 0.1, SOFT = 0.05, USUAL = 1 / 25, EDGE = 1e-4;

// The number of the last frame that begins at a time or before it.
function before(times, at) {
  let low = 0, high = times.length;
  while (low < high) { const middle = (low + high) >> 1; if (times[middle] <= at) low = middle + 1; else high = middle; }
  return low - 1;
}

function isOneOf(times, at) {
  const number = Math.max(0, before(times, at));
  return [times[number], times[number + 1] ?? times[number]].some((one) => Math.abs(one - at) < 2e-3);
}

export class Players {
  // films: [{ source, title, offset }], offset: where in the file the time zero of all lies, in seconds
  constructor(box, films) {
    this.box = box;
    this.stage = box.querySelector(".stage");
    this.rate = 1;
    this.at = 0;
    this.frames = new Map();
    this.panes = films.map((film, number) => this.#pane(film, number));
    this.stage.replaceChildren(...this.panes.map((pane) => pane.figure));
    this.master = this.panes[0];
    this.#options();
    box.players = this; // the controls, which are wired once, ask the box for the films it shows now
    if (!box.dataset.ready) this.#controls();
    box.dataset.ready = "1";
    box.hidden = false;
    this.view(films.length === 2 && box.dataset.view || "beside");
  }

  #pane(film, number) {
    const video = make("video", { src: film.source, preload: "auto", playsinline: true });
    video.muted = true;
    const said = make("p", { class: "bad", hidden: true }, t("This browser cannot play this film. Its translation plays once it is made."));
    const figure = make("figure", { class: "pane" }, make("figcaption", {}, `${number + 1} · ${film.title}`), video, said);
    const pane = { figure, video, offset: film.offset ?? 0, title: film.title, isLost: false, times: null };
    const moveHere = () => { if (video.paused && video.readyState) this.#move(pane, this.at ?? this.time()); };
    frameTimes(film.source).then((times) => { pane.times = times; moveHere(); });
    video.addEventListener("error", () => {
      pane.isLost = true;
      said.hidden = false;
      if (this.master === pane) this.master = this.panes.find((one) => !one.isLost) ?? pane;
    });
    video.addEventListener("loadedmetadata", moveHere);
    if (video.requestVideoFrameCallback) {
      let last = null;
      const seen = (_, facts) => {
        // How long a frame is shown where the file does not say it: the shortest step that was seen while it played.
        const apart = last === null || video.paused || video.seeking ? 0 : facts.mediaTime - last;
        last = facts.mediaTime;
        if (pane.times && !isOneOf(pane.times, facts.mediaTime)) pane.times = null; // a table that this browser reads otherwise
        if (apart > 0.004) this.frames.set(pane, Math.min(this.frames.get(pane) ?? 1, apart));
        video.requestVideoFrameCallback(seen);
      };
      video.requestVideoFrameCallback(seen);
    }
    return pane;
  }

  // Seconds that a frame is shown, on average.
  frame(pane = this.master) {
    const { times } = pane, known = this.frames.get(pane);
    if (times && times.length > 1) return (times.at(-1) - times[0]) / (times.length - 1);
    return known && known < 0.2 ? known : USUAL;
  }

  // The frame that is shown at a time of a film, or one so many before or after it: when it begins and ends.
  span(pane, at, later = 0) {
    const { times } = pane, frame = this.frame(pane);
    if (!times) { const first = (Math.floor(at / frame + 1e-3) + later) * frame; return [first, first + frame]; }
    const number = Math.max(0, Math.min(times.length - 1, before(times, at + EDGE) + later));
    return [times[number], times[number + 1] ?? times[number] + frame];
  }

  time() { return Math.max(0, this.master.video.currentTime - this.master.offset); }

  length() {
    const known = this.panes.filter((pane) => !pane.isLost && Number.isFinite(pane.video.duration));
    return Math.max(0, Math.min(...known.map((pane) => pane.video.duration - pane.offset), 86400));
  }

  // In the middle of its own frame: films of different rates would otherwise be moved to and fro at its edges.
  #move(pane, time) {
    const [begins, ends] = this.span(pane, pane.offset + time), middle = (begins + ends) / 2;
    const wanted = Math.max(0, Math.min(middle, (pane.video.duration || 1e9) - (ends - begins) / 2));
    if (Math.abs(pane.video.currentTime - wanted) > (ends - begins) / 4) pane.video.currentTime = wanted;
  }

  seek(time) {
    const wanted = Math.max(0, Math.min(time, this.length() - this.frame() / 2));
    this.at = wanted;
    for (const pane of this.panes) if (!pane.isLost) this.#move(pane, wanted);
    this.#show(wanted);
  }

  #show(time = this.time()) {
    const clock = this.box.querySelector(".clock"), scrub = this.box.querySelector(".scrub"), length = this.length();
    clock.textContent = `${Math.floor(time / 60)}:${(time % 60).toFixed(2).padStart(5, "0")}`;
    if (!this.isHeld && length) scrub.value = 1000 * time / length;
  }

  #follow() {
    if (this.master.video.paused) return;
    const time = this.time();
    for (const pane of this.panes) {
      if (pane === this.master || pane.isLost || pane.video.seeking) continue;
      const behind = time - (pane.video.currentTime - pane.offset);
      if (Math.abs(behind) > AHEAD) { pane.video.currentTime = time + pane.offset; pane.video.playbackRate = this.rate; }
      else pane.video.playbackRate = this.rate * (1 + Math.max(-SOFT, Math.min(SOFT, behind)));
      if (pane.video.paused) pane.video.play().catch(() => {});
    }
    this.#show(time);
    if (time >= this.length() - this.frame()) {
      if (this.box.querySelector(".loop").checked) { this.seek(0); this.#start(); } else { this.pause(); return; }
    }
    requestAnimationFrame(() => this.#follow());
  }

  async #start() {
    for (const pane of this.panes) pane.video.playbackRate = this.rate;
    await Promise.allSettled(this.panes.filter((pane) => !pane.isLost).map((pane) => pane.video.play()));
  }

  async play() {
    if (this.time() >= this.length() - 2 * this.frame()) this.seek(0);
    this.box.querySelector(".play").textContent = t("Pause");
    this.at = null;
    await this.#start();
    this.#follow();
  }

  pause() {
    for (const pane of this.panes) pane.video.pause();
    this.box.querySelector(".play").textContent = t("Play");
    this.seek(this.time());
  }

  toggle() { if (this.master.video.paused) this.play(); else this.pause(); }

  step(frames) {
    if (!this.master.video.paused) this.pause();
    const at = this.master.offset + (this.at ?? this.time()), [begins, ends] = this.span(this.master, at, frames);
    this.seek((begins + ends) / 2 - this.master.offset);
  }

  setRate(rate) { this.rate = rate; for (const pane of this.panes) pane.video.playbackRate = rate; }

  view(name) {
    this.stage.className = `stage ${name}`;
    for (const button of this.box.querySelectorAll(".view")) button.setAttribute("aria-pressed", String(button.dataset.view === name));
    const isWipe = name === "wipe";
    for (const each of this.box.querySelectorAll(".pair, .wiper-at")) each.hidden = !isWipe;
    const [left, right] = [".left", ".right"].map((each) => Number(this.box.querySelector(each).value));
    this.panes.forEach((pane, number) => {
      pane.figure.classList.toggle("before", isWipe && number === left);
      pane.figure.classList.toggle("after", isWipe && number === right);
      pane.figure.hidden = isWipe && number !== left && number !== right || name === "alone" && number !== this.alone;
    });
  }

  solo(number) {
    if (number >= this.panes.length) return;
    this.alone = number;
    this.view(this.stage.classList.contains("alone") && this.shownAlone === number ? "beside" : "alone");
    this.shownAlone = this.stage.classList.contains("alone") ? number : null;
  }

  #options() {
    for (const [name, chosen] of [[".left", 0], [".right", Math.min(1, this.panes.length - 1)]]) {
      const select = this.box.querySelector(name);
      select.replaceChildren(...this.panes.map((pane, number) => make("option", { value: String(number) }, pane.title)));
      select.value = String(chosen);
    }
  }

  #controls() {
    const one = (name) => this.box.querySelector(name), now = () => this.box.players;
    one(".play").addEventListener("click", () => now().toggle());
    one(".back").addEventListener("click", () => now().step(-1));
    one(".on").addEventListener("click", () => now().step(1));
    one(".scrub").addEventListener("input", () => { now().isHeld = true; now().seek(now().length() * one(".scrub").value / 1000); });
    one(".scrub").addEventListener("change", () => { now().isHeld = false; });
    one(".speed").addEventListener("change", (event) => now().setRate(Number(event.target.value)));
    for (const name of [".left", ".right"]) one(name).addEventListener("change", () => now().view("wipe"));
    for (const button of this.box.querySelectorAll(".view")) button.addEventListener("click", () => now().view(button.dataset.view));
    const cut = one(".wiper-at");
    const move = () => now().stage.style.setProperty("--cut", `${cut.value / 10}%`);
    cut.addEventListener("input", move);
    move();
    const shift = (by) => { cut.value = String(Number(cut.value) + by); move(); };
    const keys = {
      " ": () => now().toggle(), ArrowLeft: () => now().step(-1), ArrowRight: () => now().step(1), Home: () => now().seek(0),
      w: () => now().view(now().stage.classList.contains("wipe") ? "beside" : "wipe"), "[": () => shift(-20), "]": () => shift(20),
    };
    this.box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const isControl = event.target.closest("input, select, button"), isPlain = "w[]".includes(event.key) || /^[1-6]$/.test(event.key);
      if (isControl && (!isPlain || event.target.closest("select"))) return;
      const act = /^[1-6]$/.test(event.key) ? () => now().solo(Number(event.key) - 1) : keys[event.key];
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
  }
}
