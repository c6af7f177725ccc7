// One question a second for the whole page; every ten seconds while it is hidden; every two while nobody answers.
import { $, get } from "./dom.js";

const listeners = [];
let cursor = "", last = null, timer = 0, asking = false;

export function onLive(listener) {
  listeners.push(listener);
  if (last) listener(last);
}

async function ask() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  const run = document.body.dataset.run ?? "";
  let wait = document.hidden ? 10000 : 1000;
  try {
    const found = await get(`/api/live?run=${encodeURIComponent(run)}&since=${cursor}`);
    $("away").hidden = true;
    if (found.cursor !== cursor) {
      cursor = found.cursor;
      last = found;
      for (const listener of listeners) listener(found);
    }
  } catch (error) {
    if (error.status === 401) { location.replace("/login"); return; }
    $("away").hidden = false;
    wait = 2000;
  } finally {
    asking = false;
  }
  timer = setTimeout(ask, wait);
}

export function askNow() { return ask(); }

// To load the page again would cancel the navigation that somebody has just begun; it waits for whether the page stays.
const STAYS = 10000;
let left = -STAYS, again = 0;
addEventListener("beforeunload", () => { left = performance.now(); });
export function loadAgain() {
  clearTimeout(again);
  const rest = left + STAYS - performance.now();
  if (rest > 0) again = setTimeout(loadAgain, rest); else location.reload();
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
if (!document.body.classList.contains("bare")) setTimeout(ask, 0);
