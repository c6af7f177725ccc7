// The page of a run: keeps up with what is written.
import { $, get, make, onKey, post, say, showError, span, t, whole } from "./dom.js";
import { showCurves, toggleRange } from "./curves.js";
import { askNow, onLive } from "./live.js";
import { newest, nextPicture, showSamples } from "./samples.js";

const run = document.body.dataset.run;
let cursor = "", job = "";

function show(facts) {
  job = facts.job;
  $("state").textContent = t(facts.state);
  $("state").className = `state ${facts.state}`;
  const parts = [facts.steps ? t("step {step} of {steps}", { step: whole(facts.step), steps: whole(facts.steps) }) : t("step {step}", { step: whole(facts.step) })];
  if (facts.left !== null) parts.push(t("{time} left", { time: span(facts.left) }));
  if (facts.state === "running" && !facts.job) parts.push(t("in a terminal: {who}", { who: facts.holder }));
  if (facts.waits) parts.push(t("waits in the queue"));
  $("progress").textContent = parts.join(" · ");
  $("bar").value = facts.steps ? facts.step / facts.steps : 0;
  $("stop").hidden = !facts.job;
  $("more").hidden = facts.state !== "stopped" || Boolean(facts.job) || facts.waits;
  $("fault").hidden = !facts.fault;
  $("fault").textContent = facts.fault;
  $("healthy").hidden = facts.health.length > 0;
  $("health").replaceChildren(...facts.health.map((found) => make("li", {},
    make("b", {}, `Step ${whole(found.step)}. ${found.text}`), make("p", { class: "soft" }, found.advice))));
  const log = $("log"), isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  if (log.textContent !== facts.log) { log.textContent = facts.log; if (isAtEnd) log.scrollTop = log.scrollHeight; }
  showSamples(run, facts);
}

async function readCurves() {
  try {
    const found = await get(`/api/runs/${run}/curves?points=300&from=${cursor}`);
    if (found.cursor !== cursor && found.training) { cursor = found.cursor; showCurves(found); }
  } catch { /* the bar at the top says so */ }
}

async function stop() {
  if (!job) return;
  $("stop").disabled = true;
  try { await post(`/api/jobs/${job}/stop`); say(t("finishing the step and saving")); } catch (error) { say(error.message); }
  $("stop").disabled = false;
  askNow();
}

$("stop").addEventListener("click", stop);
$("more").addEventListener("click", async () => {
  $("more").disabled = true;
  try {
    const made = await post("/api/jobs", { kind: "more", run });
    location.assign(`/jobs/${made.id}`);
  } catch (error) { $("fault").hidden = false; showError($("fault"), error); $("more").disabled = false; }
});
onKey("p", newest);
onKey("n", nextPicture);
onKey("l", toggleRange);
onKey("s", stop);

show(JSON.parse($("facts").textContent));
readCurves();
onLive((found) => { if (found.run) { show(found.run); readCurves(); } });
