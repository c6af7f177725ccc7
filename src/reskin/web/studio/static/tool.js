// The form of a command other than train: what is chosen, its settings, what it would take, and the queue.
import { $, make, post, row, showError, span, t, whole } from "./dom.js";
import { onSetting, ordering, settings } from "./form.js";
import { loadAgain, onLive } from "./live.js";

const form = $("tool");

function chosen() {
  const also = [...form.querySelectorAll("[name=chosen]:checked")].map((one) => one.value);
  return [form.dataset.chosen, ...also].filter(Boolean);
}

function values() {
  return { kind: "tool", tool: form.dataset.tool, chosen: chosen(), name: $("name")?.value.trim() ?? "", settings: settings() };
}

const { check, soon, order, enable } = ordering({
  values,
  isReady: () => chosen().length > 0,
  buttons: ["order", "try"],
  ordered: (job) => {
    const to = new URL(form.dataset.chosen ? location.href : `/jobs/${job.id}`, location.href);
    if (form.dataset.chosen) {  // the same page, at what was done with the dataset
      to.searchParams.set("job", job.id);
      to.hash = "done-title";
    }
    location.assign(to);
  },
});

function source(one) {
  const facts = [];
  if (one.frames) facts.push(`${one.width}x${one.height}, ${whole(one.frames)} frames, ${span(one.seconds)}`);
  const bars = Object.entries(one.bars ?? {}).filter(([, px]) => px).map(([edge, px]) => `${px} px ${edge}`);
  if (bars.length) facts.push(`black bars to cut: ${bars.join(", ")}`);
  facts.push(`${whole(one.take)} pictures${one.picture_size ? ` of ${one.picture_size.join("x")} px` : ""}`);
  const examples = (one.examples ?? []).map((each) => each.file ?? `${each.seconds.toFixed(2)} s`);
  if (examples.length) facts.push(`such as ${examples.join(", ")}`);
  const notes = (one.notes ?? []).map((note) => make("p", { class: "soft" }, note));
  return make("li", {}, make("b", {}, one.name), make("p", { class: one.bad ? "bad" : "soft" }, one.bad || facts.join("; ")), ...notes);
}

async function tryIt() {
  enable(false);
  $("takes-hint").textContent = t("Looking at the footage …");
  try {
    const plan = await post("/api/plan", values());
    const splits = Object.entries(plan.splits ?? {}).map(([name, count]) => `${whole(count)} ${name}`).join(", ");
    $("takes").replaceChildren(
      row(t("Pictures"), whole(plan.pictures)), ...(splits ? [row(t("Splits"), splits)] : []),
      row(t("Disk"), `${plan.megabytes.toPrecision(2)} MB`), row(t("Free"), `${(plan.free_megabytes / 1000).toFixed(1)} GB`),
      row(t("Time"), span(plan.minutes * 60)),
    );
    $("takes").hidden = false;
    $("takes-sources").replaceChildren(...plan.sources.map(source));
    $("takes-hint").textContent = t("Nothing was written.");
  } catch (error) { showError($("takes-hint"), error); }
  enable(true);
}

// The name of a new dataset follows what it is made of until somebody types another one.
let ours = $("name")?.value;
const first = ours;
function named() {
  if (!form.dataset.tool.startsWith("prepare ") || $("name").value !== ours) return;
  const only = form.querySelectorAll("[name=chosen]:checked");
  const text = only.length === 1 ? only[0].closest("label").querySelector(".grow").textContent.split("/").at(-1).replace(/\.[^.]+$/, "") : "";
  const plain = text.slice(0, 70).replace(/[^A-Za-z0-9_ .-]/g, "-").replace(/^[ .-]+|[ .-]+$/g, "");
  const taken = new Set([...document.querySelectorAll("#sets-title ~ ul a")].map((one) => one.textContent));
  let name = plain || first;
  for (let number = 2; plain && taken.has(`data/${name}`); number += 1) name = `${plain}-${number}`;
  ours = $("name").value = name;
}

onSetting(soon, check);
$("name")?.addEventListener("input", soon);
for (const one of form.querySelectorAll("[name=chosen]")) one.addEventListener("change", () => { named(); check(); });
form.addEventListener("submit", order);
$("try")?.addEventListener("click", tryIt);
check();

// What was done is shown once it has ended.
const known = [...document.querySelectorAll("[data-job-state]")].map((one) => one.dataset.jobState.split(" "));
onLive((found) => {
  const now = new Map(found.jobs.map((job) => [job.id, job.state]));
  if (known.some(([id, state]) => ["waiting", "running", "stopping"].includes(state) && now.get(id) !== state)) loadAgain();
});
