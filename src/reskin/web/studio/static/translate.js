// Films: previews of several settings side by side, and the order for the whole film.
import { $, post, showError, t } from "./dom.js";
import { onSetting, ordering, settings } from "./form.js";
import { redraw } from "./jobs.js";
import { onLive } from "./live.js";
import { Players } from "./players.js";

let wanted = [], shown = "";
const UNDERWAY = ["waiting", "running", "stopping"];

function vary() {
  return Object.fromEntries([...document.querySelectorAll("[data-vary]")].map((one) => [one.dataset.vary, one.value.trim()]).filter(([, text]) => text));
}

function values() {
  const first = Object.fromEntries(Object.entries(vary()).map(([name, text]) => [name, text.split(/\s+/)[0]]));
  return { kind: "film", run: $("run").value, clip: $("clip").value, name: $("name").value.trim(), settings: { ...settings(), ...first } };
}

const { check, soon, order, enable } = ordering({ values, buttons: ["order", "preview"] });

async function preview() {
  enable(false);
  $("preview-said").textContent = "";
  try {
    const start = Number($("start").value.replace(",", "."));
    const found = await post("/api/previews", { ...values(), settings: settings(), start, vary: vary() });
    wanted = found.jobs.map((job) => ({ id: job.id, title: job.title, start, clip: $("clip").value, vary: vary() }));
    sessionStorage.setItem("previews", JSON.stringify(wanted));
    shown = "";
    $("preview-films").hidden = true;
  } catch (error) { showError($("preview-said"), error); }
  enable(true);
}

function showPreviews(found) {
  const jobs = wanted.map((one) => found.jobs.find((job) => job.id === one.id)).filter(Boolean);
  const open = jobs.filter((job) => job.state !== "done");
  redraw($("preview-jobs"), open, { isShort: true });
  const other = found.jobs.find((job) => job.state === "running" && !wanted.some((one) => one.id === job.id));
  $("preview-said").textContent = jobs.some((job) => job.state === "waiting") && other ? t("waits for the device: {job} runs", { job: other.title }) : "";
  const done = jobs.filter((job) => job.state === "done").map((job) => job.id).join();
  if (!done || done === shown || jobs.some((job) => UNDERWAY.includes(job.state))) return;
  shown = done;
  const films = wanted.filter((one) => done.includes(one.id)).map((one) => ({ source: `/media/jobs/${one.id}/0`, title: one.title }));
  new Players($("preview-films"), [{ source: `/media/clips/${wanted[0].clip}`, title: t("as filmed"), offset: wanted[0].start }, ...films].slice(0, 7));
}

// The name follows run and film until somebody types another one.
let ours = $("name")?.value;
function named() {
  if ($("name").value !== ours) return;
  const clip = $("clip").selectedOptions[0].textContent, run = $("run").selectedOptions[0].textContent.replace(/ \(.*$/, "");
  const plain = `${run.split("/").at(-1)}-${clip.split("/").at(-1).replace(/\.[^.]+$/, "")}`.slice(0, 70).replace(/[^A-Za-z0-9_ .-]/g, "-").replace(/^[ .-]+|[ .-]+$/g, "") || "film";
  const taken = new Set([...$("clip").options].map((one) => one.textContent));
  let name = plain;
  for (let number = 2; taken.has(`films/${name}.mp4`); number += 1) name = `${plain}-${number}`;
  ours = $("name").value = name;
}

// The ways are called by the datasets that the run learnt from.
function nameWays() {
  const { a, b } = $("run").selectedOptions[0].dataset, [from, to] = [a, b].map((folder) => folder.split(/[\\/]/).at(-1));
  const ways = { a2b: `${from} → ${to}`, b2a: `${to} → ${from}` };
  for (const one of $("f-direction")?.options ?? []) {
    const way = one.value;
    one.value = way;
    if (ways[way]) one.textContent = from && to ? `${ways[way]} (${way})` : way;
  }
}

function showSource() {
  const video = $("source");
  video.hidden = false;
  video.src = `/media/clips/${$("clip").value}`;
}

if ($("tool")) {
  onSetting(soon, check);
  for (const id of ["run", "clip"]) $(id).addEventListener("input", named);
  $("run").addEventListener("input", nameWays);
  for (const id of ["run", "clip", "name"]) $(id).addEventListener("input", soon);
  for (const one of document.querySelectorAll("[data-vary]")) one.addEventListener("input", soon);
  $("tool").addEventListener("submit", order);
  $("preview").addEventListener("click", preview);
  $("clip").addEventListener("change", showSource);
  $("source").addEventListener("error", () => { $("source").hidden = true; });
  $("start-at").addEventListener("input", () => {
    const at = ($("source").duration || 0) * $("start-at").value / 1000;
    $("start").value = at.toFixed(2);
    $("source").currentTime = at;
  });
  $("start").addEventListener("input", () => {
    const at = Number($("start").value.replace(",", "."));
    if (at >= 0 && $("source").duration) { $("source").currentTime = at; $("start-at").value = String(1000 * at / $("source").duration); }
  });
  named();
  nameWays();
  showSource();
  wanted = JSON.parse(sessionStorage.getItem("previews") ?? "[]");
  check();
}

// Films that end while one looks stand here with their buttons: to load the page again would lose what is filled in.
const seen = new Set();
onLive((found) => {
  const films = found.jobs.filter((job) => job.kind === "translate");
  for (const job of films) if (UNDERWAY.includes(job.state)) seen.add(job.id);
  redraw($("jobs"), films.filter((job) => job.state !== "done" || seen.has(job.id)).slice(0, 6));
  if ($("tool")) showPreviews(found);
});
