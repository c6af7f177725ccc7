// Rows of jobs, the queue's page and the page of one job.
import { $, command, get, make, onKey, post, say, showError, span, t, whole } from "./dom.js";
import { askNow, onLive } from "./live.js";

async function act(job, name) {
  try {
    await post(`/api/jobs/${job.id}/${name}`);
    say(`${job.title}: ${t("done")}`);
  } catch (error) { say(error.message); alertIn(job, error); }
  askNow();
}

function alertIn(job, error) {
  const at = make("p", { class: "bad", role: "alert" });
  showError(at, error);
  document.querySelector(`[data-row="${job.id}"]`)?.append(at);
}

function button(job, name, text, isQuiet = true) {
  return make("button", { type: "button", class: isQuiet ? "quiet" : "", "data-act": name, onclick: () => act(job, name) }, text);
}

function buttons(job, isShort) {
  if (job.state === "waiting") {
    const order = isShort ? [] : [button(job, "first", t("To the top")), button(job, "up", t("Up")), button(job, "down", t("Down"))];
    return [...order, button(job, "stop", t("Take out"))];
  }
  if (job.state === "running") return [button(job, "stop", job.kind === "train" ? t("Stop and save") : t("Stop"))];
  if (job.state === "stopping") return [button(job, "stop-now", t("Stop at once, unsaved"))];
  if (isShort) return [];
  const goesOn = ["train", "translate"].includes(job.kind) && ["stopped", "died", "failed"].includes(job.state);
  return [button(job, "again", goesOn ? t("Go on") : t("Again")), button(job, "remove", t("Remove from the list"))];
}

function facts(job) {
  const parts = [];
  if (job.state === "stopping") parts.push(t("finishing the step and saving"));
  if (job.waits_for) parts.push(t("waits: a terminal trains {run} on this device", { run: job.waits_for }));
  if (job.stage) parts.push(job.stage);
  if (job.what && job.done !== null) parts.push(`${whole(job.done)}${job.total === null ? "" : ` / ${whole(job.total)}`} ${job.what}`);
  if (job.state === "running" && job.left !== null) parts.push(t("{time} left", { time: span(job.left) }));
  if (job.ended && job.began) parts.push(t("took {time}", { time: span(job.ended - job.began) }));
  if (job.state === "died") parts.push(t("it was killed, or the machine went off"));
  return parts.join(" · ");
}

function jobRow(job, { isShort = false } = {}) {
  const isUnderway = ["running", "stopping"].includes(job.state);
  const title = isShort || $("jobs")?.closest("[data-job]") ? make("b", {}, job.title) : make("b", {}, make("a", { href: `/jobs/${job.id}` }, job.title));
  const row = make("li", { "data-row": job.id, "data-state": job.state },
    make("div", { class: "job-head" }, title, make("span", { class: `state ${job.state}` }, t(job.state)), make("span", { class: "soft", lang: "en" }, job.kind), make("span", { class: "facts" }, facts(job))));
  if (isUnderway) {
    const bar = make("progress", { max: "1", "aria-label": job.title });
    if (job.total) bar.value = job.done / job.total;
    row.append(bar);
  }
  if (job.error) row.append(make("p", { class: "bad", lang: "en" }, [job.error, job.fix].filter(Boolean).join(". ")));
  else if (job.note && isUnderway) row.append(make("p", { class: "soft", lang: "en" }, job.note));
  if (!isShort && !document.body.dataset.job) {
    row.append(make("details", {}, make("summary", {}, t("Command")), make("pre", { class: "line", tabindex: "0" }, make("code", { lang: "en" }, ...command(job.command)))));
  }
  const links = job.run && job.state !== "waiting" ? [make("a", { class: "button quiet", href: `/runs/${job.run}` }, t("Look at the run"))] : [];
  for (const { at, name } of job.links ?? []) links.push(make("a", { class: "button quiet", href: at }, name ? t("Open {name}", { name }) : t("Before and after")));
  row.append(make("p", { class: "row" }, ...links, ...buttons(job, isShort)));
  return row;
}

export function redraw(list, jobs, how) {
  // What has not changed stays, with the focus and what is folded out.
  const before = new Map([...list.children].map((row) => [row.dataset.row, row]));
  const focus = document.activeElement?.dataset?.act, inRow = document.activeElement?.closest?.("[data-row]")?.dataset.row;
  list.replaceChildren(...jobs.map((job) => {
    const known = before.get(job.id), text = JSON.stringify(job);
    if (known?.facts === text) return known;
    const row = jobRow(job, how);
    row.facts = text;
    if (known?.querySelector("details")?.open) row.querySelector("details")?.setAttribute("open", "");
    return row;
  }));
  if (focus && inRow) list.querySelector(`[data-row="${inRow}"] [data-act="${focus}"]`)?.focus();
}

function ownPage(id) {
  let shown = "";
  async function readLog() {
    try {
      const found = await get(`/api/jobs/${id}/log`);
      const text = [found.log, found.out].filter(Boolean).join("\n");
      if (text !== shown) {
        shown = text;
        $("log").hidden = !text;
        $("no-log").hidden = Boolean(text);
        $("log").textContent = text;
        $("log").scrollTop = $("log").scrollHeight;
      }
    } catch { /* the bar at the top says so */ }
  }
  onLive((found) => {
    const job = found.jobs.find((each) => each.id === id);
    if (!job) { location.assign("/jobs"); return; }
    redraw($("jobs"), [job]);
    readLog();
  });
}

function queuePage() {
  let isPaused = false;
  async function pause() {
    await post("/api/queue", { paused: !isPaused });
    askNow();
  }
  $("pause").addEventListener("click", pause);
  onKey("p", pause);
  onLive((found) => {
    isPaused = found.paused;
    $("pause").setAttribute("aria-pressed", String(isPaused));
    $("pause").textContent = isPaused ? t("Go on with the queue") : t("Pause the queue");
    $("paused").hidden = !isPaused;
    $("no-jobs").hidden = found.jobs.length > 0;
    redraw($("jobs"), found.jobs);
  });
}

if (document.body.dataset.job) ownPage(document.body.dataset.job);
else if ($("pause")) queuePage();
