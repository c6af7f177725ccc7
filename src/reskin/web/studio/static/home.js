// Home: what is underway, and the state of the runs while one looks.
import { $, post, say } from "./dom.js";
import { redraw } from "./jobs.js";
import { loadAgain, onLive } from "./live.js";

$("demo")?.addEventListener("click", async (event) => {
  event.target.disabled = true;
  try {
    const job = await post("/api/jobs", { kind: "demo" });
    location.assign(`/jobs/${job.id}`);
  } catch (error) { event.target.disabled = false; say(error.message); }
});

let runs = null;
onLive((found) => {
  const rows = found.jobs.filter((job) => ["running", "stopping", "waiting"].includes(job.state));
  $("underway").hidden = !rows.length;
  redraw($("jobs"), rows, { isShort: true });
  const now = found.runs.join();
  if (runs !== null && runs !== now) loadAgain();
  runs = now;
});
