// Runs and films beside each other: one clock, the same held-out pictures, losses in one chart.
import uPlot from "./uPlot.esm.js";
import { $, get, make, onKey, t, whole } from "./dom.js";
import { Players } from "./players.js";

const COLOURS = ["--b", "--a", "--good", "--bad", "--warn", "--soft"];
let picture = 0;

function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

function chooser() {
  const boxes = [...document.querySelectorAll("#choose [name=show]")];
  const count = () => {
    const chosen = boxes.filter((one) => one.checked).length;
    $("go").disabled = chosen < 2 || chosen > 6;
    $("chosen-count").textContent = t("{count} chosen", { count: chosen });
  };
  for (const one of boxes) one.addEventListener("change", count);
  count();
}

async function draw(samples, figures) {
  const row = Number($("row").value) || 0;
  const most = Math.min(...samples.map((one) => one.columns || 1));
  $("picture-number").textContent = t("{number} of {count}", { number: picture % most + 1, count: most });
  await Promise.all(samples.map(async (one, number) => {
    const canvas = figures[number], at = one.rows.indexOf(samples[0].rows[row]);
    if (!one.steps.length || at < 0) return;
    const image = new Image();
    image.src = `/media/runs/${one.id}/samples/${one.steps.at(-1)}`;
    try { await image.decode(); } catch { return; }
    const width = image.naturalWidth / one.columns, height = image.naturalHeight / one.rows.length;
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("2d").drawImage(image, picture % most * width, at * height, width, height, 0, 0, width, height);
  }));
}

function showSamples(samples) {
  const figures = samples.map((one) => make("canvas", { role: "img", "aria-label": one.name }));
  $("pictures").replaceChildren(...samples.map((one, number) => make("figure", {}, figures[number],
    make("figcaption", {}, one.steps.length ? `${one.name} · ${t("step {step}", { step: whole(one.steps.at(-1)) })}` : `${one.name} · ${t("No samples yet")}`))));
  $("row").replaceChildren(...samples[0].rows.map((name, number) => make("option", { value: String(number) }, name)));
  const first = samples[0].rows.findIndex((name) => name.includes("→"));
  if (first >= 0) $("row").value = String(first);
  const again = () => draw(samples, figures);
  const next = () => { picture += 1; again(); };
  $("row").addEventListener("change", again);
  $("next-picture").addEventListener("click", next);
  onKey("n", next);
  again();
}

async function showLosses(samples) {
  const found = await Promise.all(samples.map((one) => get(`/api/runs/${one.id}/curves?points=300`).catch(() => ({ training: {} }))));
  $("run-keys").replaceChildren(...samples.map((one, number) => { const key = make("span", { class: "key" }, one.name); key.style.color = colour(COLOURS[number]); return key; }));
  const names = [...new Set(found.flatMap((one) => Object.keys(one.training ?? {})))];
  for (const name of names) {
    const steps = [...new Set(found.flatMap((one) => one.training?.[name]?.[0] ?? []))].sort((x, y) => x - y);
    const at = new Map(steps.map((step, index) => [step, index]));
    const columns = found.map((one) => {
      const column = new Array(steps.length).fill(undefined), [own, values] = one.training?.[name] ?? [[], []];
      own.forEach((step, index) => { column[at.get(step)] = values[index]; });
      return column;
    });
    const figure = make("figure", { class: "curve" }, make("figcaption", { lang: "en" }, name.replaceAll("_", " "))), box = make("div", {});
    figure.append(box);
    $("overlaid").append(figure);
    const axis = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--rule"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const plot = new uPlot({
      width: Math.max(200, figure.clientWidth - 26), height: 180, legend: { show: false }, cursor: { sync: { key: "losses" }, drag: { x: true, y: false } },
      scales: { x: { time: false } }, axes: [{ ...axis, size: 28, values: (_, ticks) => ticks.map((tick) => whole(tick)) }, { ...axis, size: 52 }],
      series: [{}, ...samples.map((_, number) => ({ stroke: () => colour(COLOURS[number]), width: 2, spanGaps: true, points: { show: false } }))],
    }, [steps, ...columns], box);
    new ResizeObserver(() => plot.setSize({ width: Math.max(200, figure.clientWidth - 26), height: 180 })).observe(figure);
  }
}

if ($("choose")) chooser();
if ($("shown")) {
  const { clips, samples } = JSON.parse($("shown").textContent);
  if (clips.length) new Players($("films"), clips.map(([id, title]) => ({ source: `/media/clips/${id}`, title })));
  if (samples.length) { showSamples(samples); showLosses(samples); }
}
