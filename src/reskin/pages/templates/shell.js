"use strict";
// What every page can do. Scripts read the page alone and call nothing; without them all content is still there.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector, root = document) => root.querySelector(selector);

// ---- light and dark
one(".theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
});

// ---- copying
async function copy(text, button, fallback) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    fallback(); // some browsers have no clipboard for files: the text is put where Ctrl+C reaches it
    button.textContent = "Selected: Ctrl+C";
  }
  setTimeout(() => { button.textContent = before; }, 1800);
}
for (const button of all(".copy")) {
  const code = one("code", button.parentElement);
  button.addEventListener("click", () =>
    copy(code.textContent, button, () => getSelection().selectAllChildren(code)));
}

// ---- the value under the pointer, at the same step in every chart that has points
function setUpCharts(charts) {
  const format = (value) => Number(value.toPrecision(3)).toString();
  const known = charts.map((figure) => {
    const svg = one("svg", figure), output = one("output", figure);
    const series = all("[data-points]", svg).map((group) => ({
      name: group.dataset.name, dot: one(".dot", group),
      points: group.dataset.points.split(" ").map((word) => word.split(":").map(Number)),
    }));
    const [left, right, last] = ["left", "right", "last"].map((name) => Number(svg.dataset[name]));
    return { svg, output, series, left, right, last, text: output.textContent, cursor: one(".cursor", svg) };
  });
  function show(step) {
    for (const chart of known) {
      const at = (x) => chart.left + (chart.right - chart.left) * x / chart.last;
      const words = chart.series.map(({ name, dot, points }, number) => {
        const near = step === null ? points.at(-1) : points.reduce((best, point) =>
          Math.abs(point[0] - step) < Math.abs(best[0] - step) ? point : best);
        dot.setAttribute("cx", at(near[0]));
        dot.setAttribute("cy", near[2]);
        if (number === 0) {
          chart.cursor.setAttribute("x1", at(near[0]));
          chart.cursor.setAttribute("x2", at(near[0]));
        }
        return number ? `${name} ${format(near[1])}` : `${format(near[1])} at ${near[0].toLocaleString("en")}`;
      });
      chart.cursor.setAttribute("visibility", step === null ? "hidden" : "visible");
      chart.output.textContent = step === null ? chart.text : words.join(" · ");
    }
  }
  for (const chart of known) {
    chart.svg.addEventListener("pointermove", (event) => {
      const box = chart.svg.getBoundingClientRect();
      const x = (event.clientX - box.left) * chart.svg.viewBox.baseVal.width / box.width;
      show(Math.max(0, Math.min(1, (x - chart.left) / (chart.right - chart.left))) * chart.last);
    });
    chart.svg.addEventListener("pointerleave", () => show(null));
  }
}
setUpCharts(all(".chart").filter((figure) => one("[data-points]", figure)));
