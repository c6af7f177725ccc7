// Curves of losses: one chart a loss, one cursor and one range for all.
import uPlot from "./uPlot.esm.js";
import { $, make, t, whole } from "./dom.js";

const charts = new Map();
let found = { training: {}, held_out: {} };

function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

export function smoothed(values, share) {
  // An exponential moving average that begins at the first value, corrected for its beginning.
  let sum = 0, weight = 0;
  return values.map((value) => {
    sum = share * sum + (1 - share) * value;
    weight = share * weight + (1 - share);
    return sum / weight;
  });
}

function columns(name) {
  const share = Number($("smoothing").value) / 100;
  const [steps, values] = found.training[name] ?? [[], []];
  const [unseen, held] = found.held_out[name] ?? [[], []];
  const all = [...new Set([...steps, ...unseen])].sort((x, y) => x - y);
  const at = new Map(all.map((step, index) => [step, index]));
  const rows = [values, smoothed(values, share)].map((column) => {
    const made = new Array(all.length).fill(undefined);
    column.forEach((value, index) => { made[at.get(steps[index])] = value; });
    return made;
  });
  const dashed = new Array(all.length).fill(undefined);
  held.forEach((value, index) => { dashed[at.get(unseen[index])] = value; });
  return [all, ...rows, dashed];
}

function chart(name) {
  const output = make("output", {});
  const figure = make("figure", { class: "curve", role: "group" }, make("figcaption", {}, make("span", { lang: "en" }, name.replaceAll("_", " ")), output));
  const box = make("div", {});
  figure.append(box);
  $("curves").append(figure);
  const axis = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--rule"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const options = {
    width: Math.max(200, figure.clientWidth - 26), height: 180, cursor: { sync: { key: "losses" }, drag: { x: true, y: false } },
    scales: { x: { time: false } }, legend: { show: false },
    axes: [{ ...axis, size: 28, values: (_, ticks) => ticks.map((tick) => whole(tick)) }, { ...axis, size: 52 }],
    series: [
      {},
      { stroke: () => colour("--edge"), width: 1, alpha: .45, spanGaps: true, points: { show: false } },
      { stroke: () => colour("--b"), width: 2, spanGaps: true, points: { show: false } },
      { stroke: () => colour("--a"), width: 2, dash: [6, 4], spanGaps: true, points: { show: false } },
    ],
  };
  const plot = new uPlot(options, columns(name), box);
  new ResizeObserver(() => plot.setSize({ width: Math.max(200, figure.clientWidth - 26), height: 180 })).observe(figure);
  return { plot, output, figure };
}

function short(value) { return value === undefined ? "–" : Number(value.toPrecision(3)).toString(); }

function draw() {
  const names = [...new Set([...Object.keys(found.training), ...Object.keys(found.held_out)])];
  for (const [name, one] of charts) if (!names.includes(name)) { one.plot.destroy(); one.figure.remove(); charts.delete(name); }
  for (const name of names) {
    if (!charts.has(name)) charts.set(name, chart(name));
    const { plot, output, figure } = charts.get(name), data = columns(name);
    plot.setData(data, true);
    const values = found.training[name]?.[1] ?? [], last = values.at(-1);
    output.textContent = short(data[2].findLast((value) => value !== undefined));
    figure.setAttribute("aria-label", t("{name}: from {first} to {last}", { name, first: short(values[0]), last: short(last) }));
  }
  range();
  $("keys-of-curves").hidden = !Object.keys(found.held_out).length;
  $("no-losses").hidden = names.length > 0;
  $("numbers").hidden = !names.length;
  $("numbers-rows").replaceChildren(...names.map((name) => {
    const values = found.training[name]?.[1] ?? [];
    const cells = [values[0], values.length ? Math.min(...values) : undefined, values.at(-1)];
    return make("tr", {}, make("th", { scope: "row", lang: "en" }, name), ...cells.map((value) => make("td", {}, short(value))));
  }));
}

function range() {
  const isLast = $("last-tenth").getAttribute("aria-pressed") === "true";
  for (const { plot } of charts.values()) {
    const steps = plot.data[0];
    if (!steps.length) continue;
    const low = steps[0], high = steps.at(-1);
    if (high > low) plot.setScale("x", { min: isLast ? high - (high - low) / 10 : low, max: high });
  }
}

export function showCurves(answer) { found = answer; draw(); }

export function toggleRange() {
  const button = $("last-tenth");
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  range();
}

$("smoothing").addEventListener("input", draw);
$("last-tenth").addEventListener("click", toggleRange);
for (const name of ["appearance"]) document.addEventListener(name, draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
