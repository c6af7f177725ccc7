// Sample grids over the steps: input and output of one picture with a border that moves, and the whole grid.
import { $, make, t, whole } from "./dom.js";

const state = { run: "", steps: [], rows: [], columns: 0, at: 0, picture: 0, isFollowing: true, timer: 0 };
const still = matchMedia("(prefers-reduced-motion: reduce)");

function address(step) { return `/media/runs/${state.run}/samples/${step}`; }

function pairs() {
  // "A → B" is the output of the row "A" above it.
  const found = [];
  state.rows.forEach((title, row) => {
    const source = title.split("→")[0].trim(), from = state.rows.indexOf(source);
    if (title.includes("→") && from >= 0) found.push([from, row]);
  });
  return found.length ? found : state.rows.length > 1 ? [[0, 1]] : [[0, 0]];
}

function crop(canvas, image, row) {
  const width = image.naturalWidth / Math.max(1, state.columns), height = image.naturalHeight / Math.max(1, state.rows.length);
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").drawImage(image, state.picture * width, row * height, width, height, 0, 0, width, height);
}

async function draw() {
  const step = state.steps[state.at];
  if (step === undefined) return;
  $("sample-step").textContent = whole(step);
  $("sample-at").setAttribute("aria-valuetext", t("step {step}", { step: whole(step) }));
  const image = new Image();
  image.src = address(step);
  try { await image.decode(); } catch { return; }
  if (state.steps[state.at] !== step) return; // one has gone on meanwhile
  const [from, to] = pairs()[Number($("pair").value) || 0] ?? [0, 0];
  crop($("before"), image, from);
  crop($("after"), image, to);
  $("before-name").textContent = state.rows[from] ?? "";
  $("after-name").textContent = state.rows[to] ?? "";
  $("before-name").className = state.rows[from]?.startsWith("B") ? "b" : "a";
  $("after-name").className = state.rows[to]?.endsWith("B") ? "b" : "a";
  $("picture-number").textContent = t("{number} of {count}", { number: state.picture + 1, count: state.columns });
  $("grid").src = image.src;
}

export function showSamples(run, facts) {
  const before = state.steps.at(-1);
  Object.assign(state, { run, steps: facts.samples, rows: facts.rows.length ? facts.rows : ["–"], columns: Math.max(1, facts.columns) });
  $("samples").hidden = !state.steps.length;
  $("no-samples").hidden = state.steps.length > 0;
  if (!state.steps.length) return;
  const options = pairs().map(([from, to], index) => make("option", { value: String(index) }, `${state.rows[from]} | ${state.rows[to]}`));
  if ($("pair").children.length !== options.length) $("pair").replaceChildren(...options);
  $("sample-at").max = String(state.steps.length - 1);
  if (state.isFollowing || state.at >= state.steps.length) state.at = state.steps.length - 1;
  $("sample-at").value = String(state.at);
  if (before !== state.steps.at(-1)) draw();
}

export function newest() {
  state.isFollowing = true;
  state.at = state.steps.length - 1;
  $("sample-at").value = String(state.at);
  draw();
}

export function nextPicture() {
  state.picture = (state.picture + 1) % Math.max(1, state.columns);
  draw();
}

function play() {
  const isOn = $("play").getAttribute("aria-pressed") !== "true";
  $("play").setAttribute("aria-pressed", String(isOn));
  $("play").textContent = isOn ? t("Pause") : t("Play");
  clearInterval(state.timer);
  if (!isOn) return;
  state.isFollowing = false;
  state.timer = setInterval(() => {
    state.at = (state.at + 1) % state.steps.length;
    $("sample-at").value = String(state.at);
    draw();
  }, still.matches ? 2000 : 400);
}

$("sample-at").addEventListener("input", (event) => {
  state.at = Number(event.target.value);
  state.isFollowing = state.at === state.steps.length - 1;
  draw();
});
$("cut").addEventListener("input", (event) => $("wiper").style.setProperty("--cut", `${event.target.value}%`));
$("pair").addEventListener("change", draw);
$("next-picture").addEventListener("click", nextPicture);
$("play").addEventListener("click", play);
