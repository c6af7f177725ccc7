// The training form: the command changes as one types; what `reskin train` would refuse stands at its field.
import { $, make, post, row, showError, span, t, whole } from "./dom.js";
import { onSetting, ordering, settings } from "./form.js";

function values() {
  return { kind: "train", method: $("method").value, preset: $("preset").value, a: $("a").value, b: $("b").value, name: $("name").value.trim(), settings: settings() };
}

const { check, soon, order } = ordering({
  values,
  isReady: () => Boolean($("a").value && $("b").value && $("name").value.trim()),
  buttons: ["order", "try"],
});

async function tryIt() {
  $("try").disabled = true;
  $("takes-hint").textContent = t("Trying a few steps …");
  try {
    const plan = await post("/api/plan", values());
    const rows = [row(t("Steps"), whole(plan.steps)), row(t("Device"), String(plan.device ?? "–"))];
    if (plan.seconds_a_step) {
      rows.push(row(t("Time"), span(plan.seconds_a_step * plan.steps)), row(t("A step"), `${plan.seconds_a_step.toPrecision(3)} s`));
    }
    if (plan.memory_bytes) rows.push(row(t("Memory"), `${(plan.memory_bytes / 1e9).toFixed(1)} GB`));
    if (plan.disk_bytes) rows.push(row(t("Disk"), `${Math.ceil(plan.disk_bytes / 1e6)} MB`));
    $("takes").replaceChildren(...rows);
    $("takes").hidden = false;
    $("takes-warnings").replaceChildren(...(plan.warnings ?? []).map((text) => make("li", {}, text)));
    $("takes-hint").textContent = t("Measured on this machine.");
  } catch (error) { showError($("takes-hint"), error); }
  $("try").disabled = false;
}

function again() {
  const query = new URLSearchParams({ method: $("method").value });
  sessionStorage.setItem("chosen", JSON.stringify({ a: $("a").value, b: $("b").value }));
  return query;
}

$("method").addEventListener("change", () => location.assign(`/train?${again()}`));
$("preset").addEventListener("change", () => {
  const query = again();
  if ($("preset").value) query.set("preset", $("preset").value);
  location.assign(`/train?${query}`);
});
for (const id of ["a", "b", "name"]) $(id).addEventListener("input", soon);
onSetting(soon, check);
$("sought").addEventListener("input", () => {
  const text = $("sought").value.trim().toLowerCase();
  for (const group of document.querySelectorAll(".group")) {
    let count = 0;
    for (const field of group.querySelectorAll(".field")) {
      field.hidden = !field.textContent.toLowerCase().includes(text);
      count += field.hidden ? 0 : 1;
    }
    group.hidden = Boolean(text) && !count;
    group.open = Boolean(text) && count > 0;
  }
});
$("sought").addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
$("train").addEventListener("submit", order);
$("try").addEventListener("click", tryIt);

const chosen = JSON.parse(sessionStorage.getItem("chosen") ?? "{}");
for (const id of ["a", "b"]) if (chosen[id] && !$(id).value && [...$(id).options].some((one) => one.value === chosen[id])) $(id).value = chosen[id];
check();
