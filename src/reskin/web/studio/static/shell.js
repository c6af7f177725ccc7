// What every page does: language, appearance, copying, keys, and the line about jobs.
import { $, isTyping, onKey, say, storeChoice, t } from "./dom.js";
import { onLive } from "./live.js";

$("language").addEventListener("change", (event) => { storeChoice("reskin-language", event.target.value); location.reload(); });
$("theme").addEventListener("change", (event) => {
  storeChoice("reskin-theme", event.target.value);
  if (event.target.value) document.documentElement.dataset.theme = event.target.value;
  else delete document.documentElement.dataset.theme;
  document.dispatchEvent(new Event("appearance"));
});

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const text = $(button.dataset.copies).textContent;
    try {
      await navigator.clipboard.writeText(text);
      say(t("Copied"));
      button.textContent = t("Copied");
      setTimeout(() => { button.textContent = t("Copy"); }, 1500);
    } catch {
      getSelection().selectAllChildren($(button.dataset.copies));
    }
  });
}

$("show-keys").addEventListener("click", () => $("keys").showModal());
onKey("?", () => $("keys").showModal());
onKey("/", () => document.querySelector("input[type=search]")?.focus());

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping()) return;
  if (document.body.dataset.going) {
    delete document.body.dataset.going;
    const link = document.querySelector(`.rail a[data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); event.stopImmediatePropagation(); location.assign(link.href); }
  } else if (event.key === "g") {
    document.body.dataset.going = "1";
    setTimeout(() => { delete document.body.dataset.going; }, 1500);
  }
}, true);

// On a phone the rail is longer than the screen.
const here = document.querySelector(".rail [aria-current]");
if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;

let said = 0, states = null;
onLive((found) => {
  $("gone").hidden = !found.gone;
  const running = found.jobs.filter((job) => job.state === "running" || job.state === "stopping");
  const waiting = found.jobs.filter((job) => job.state === "waiting");
  const parts = [];
  if (running.length) {
    const share = running[0].total ? ` (${Math.floor(100 * running[0].done / running[0].total)} %)` : "";
    parts.push(t("{count} running", { count: running.length }) + share);
  }
  if (waiting.length) parts.push(t("{count} waiting", { count: waiting.length }));
  $("job-line").hidden = !parts.length;
  $("job-line").textContent = parts.join(" · ");
  const now = Object.fromEntries(found.jobs.map((job) => [job.id, job.state]));
  const changed = states && found.jobs.find((job) => states[job.id] && states[job.id] !== job.state);
  if (changed && Date.now() - said > 10000) {
    said = Date.now();
    say(`${changed.title}: ${t(changed.state)}`);
  }
  states = now;
});
