// Curation by keyboard: what is decided is kept at once, and can be undone without end.
import { $, command, make, post, Refused, say, showError, t, whole } from "./dom.js";
import { Changes, DROP, KEEP, NONE, Pictures } from "./curate-data.js";
import { Grid } from "./curate-grid.js";
import { Large } from "./curate-large.js";

const set = document.body.dataset.set;
const pictures = new Pictures(set, (numbers, error) => { trouble("pack", error); grid.soon(); });
const grid = new Grid($("grid"), pictures, () => { chosen(); });
const troubles = { pack: null, order: null, send: null, fault: null };
let like = 0, facts = { total: 0, keep: 0, drop: 0, unapplied: 0, index: "", version: "" }, isLoading = false, next = null;
const changes = new Changes(set, pictures, (found, error, isLost) => {
  if (error) { say(error.message); trouble("order", error); if (isLost) load({ isSame: true }); }
  trouble("send", changes.trouble);
  if (found) {
    const before = facts.index;
    facts = found;
    trouble("fault", found.fault ? new Refused(400, found.fault) : null);
    if (!isLoading && (found.isAnew || (before && found.index !== before))) { pictures.forget(); load({ isSame: true }); }
    if (found.isJump && found.edits?.length) jump(found.edits[0][0]);
  }
  grid.draw();
  if (large.isOpen) large.mark();
  status();
});
const large = new Large(pictures, (numbers, verdict) => decide(numbers, verdict), (act) => turn(act));

function trouble(kind, error) {
  troubles[kind] = error;
  const first = Object.values(troubles).find((one) => one);
  $("trouble").hidden = !first;
  if (first) showError($("trouble"), first);
}

function asked() {
  const sort = $("sort").value;
  return { sort, way: $("way").value, show: $("show").value, split: $("split").value, source: $("source").value,
    q: $("sought").value.trim(), ...(sort === "like" ? { of: like } : {}) };
}

async function load({ isFirst = false, isSame = false } = {}) {
  if (isLoading) { next = { isSame }; return; }  // what was chosen while an order was on its way is asked for after it
  isLoading = true;
  const at = pictures.numbers[grid.at];
  let again = 0;
  try {
    if (!facts.index) {  // a process reads the manifest for the first time, or another file of verdicts
      await changes.poll();
      again = facts.index ? 0 : 1000;
      $("reading").hidden = Boolean(facts.index);
      if (again) return;
    }
    const head = await pictures.load(asked());
    changes.version = head.version;
    changes.revision = Math.max(changes.revision, head.revision);
    facts.index = head.index;
    offer(head.facts);
    changes.again();
    trouble("order", null);
    const position = at === undefined || !isSame ? -1 : pictures.numbers.indexOf(at);
    grid.at = grid.anchor = Math.max(0, position);
    grid.resize();
    if (position < 0) grid.scrollTo(0); else grid.show();
    $("empty").hidden = head.count > 0;
    spread();
    chosen();
    if (isFirst) changes.send();
    $("grid").setAttribute("aria-busy", "false");
  } catch (error) {
    if (error.status === 401) { location.replace("/login"); return; }
    trouble("order", error);
    again = 1500;
  } finally {
    isLoading = false;
    const more = next;
    next = null;
    if (more) load({ isFirst: isFirst && again > 0, ...more });
    else if (again) setTimeout(() => load({ isFirst, isSame }), again);
  }
}

function fill(id, known, from, options) {
  const select = $(id), now = select.value;
  while (select.options.length > from) select.lastElementChild.remove();
  select.append(...options.map(([value, text]) => make("option", { value }, text)));
  select.value = now;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
  if (known) select.closest("label").hidden = options.length < 2;
}

// What the dataset can be ordered and filtered by; screening adds to it.
function offer(known) {
  fill("sort", false, 1, [...(known.has_times ? [["time", t("Time")]] : []), ...known.scores.map((one) => [one.name, one.name]),
    ...(known.has_hashes ? [["like", t("Like the chosen one")]] : [])]);
  fill("show", false, 6, known.reasons.map((one) => [`out:${one.name}`, `${t("Left out for {reason}", { reason: one.name })} (${whole(one.count)})`]));
  fill("split", true, 1, known.splits.map((one) => [one, one]));
  fill("source", true, 1, known.sources.map((one) => [String(one.number), `${one.name} (${whole(one.count)})`]));
  $("unscored").hidden = !known.unscored;
}

function spread() {
  const known = pictures.spread, isScore = Boolean(known);
  $("spread").hidden = !grid.count;
  $("histogram").hidden = !isScore;
  $("first").max = grid.count;
  $("first").value = 0;
  upTo();
  if (!isScore) return;
  const most = Math.max(...known.bins), isDown = $("way").value === "down";
  const bins = isDown ? [...known.bins].reverse() : known.bins;
  $("histogram").replaceChildren(...bins.map((count) => {
    const bar = make("span", {});
    bar.style.height = `${Math.max(count ? 4 : 0, 100 * Math.sqrt(count / most))}%`;
    return bar;
  }));
  const ends = [known.low, known.high].map((value) => value.toPrecision(3));
  $("histogram").setAttribute("aria-label", t("Scores from {low} to {high}", { low: ends[0], high: ends[1] }));
}

function upTo() {
  const count = Number($("first").value), one = pictures.known.get(pictures.numbers[count - 1]);
  const value = typeof one?.value === "number" ? one.value.toPrecision(3) : "";
  $("first-said").textContent = !count ? t("none") : value ? t("{count} up to {value}", { count: whole(count), value }) : whole(count);
}

function choosesFirst() {
  const count = Number($("first").value);
  if (count > 0) { grid.anchor = 0; grid.at = count - 1; grid.show(); chosen(); }
  upTo();
}

function chosen() {
  const [first, last] = grid.range, count = grid.count ? last - first + 1 : 0;
  $("chosen").textContent = grid.count ? t("{at} of {count}", { at: whole(grid.at + 1), count: whole(grid.count) }) : "";
  $("many").textContent = count > 1 ? t("{count} chosen", { count: whole(count) }) : "";
  if (Number($("first").value)) upTo();
}

function status() {
  const { total, keep, drop, unapplied } = facts;
  for (const [id, count] of [["count-all", total], ["count-keep", keep], ["count-drop", drop], ["count-open", Math.max(0, total - keep - drop)]]) {
    $(id).textContent = whole(count);
  }
  const waiting = changes.queue.length;
  $("sent").textContent = waiting ? t("{count} to be sent", { count: whole(waiting) }) : t("Saved");
  $("sent").className = waiting ? "warn" : "good";
  $("unapplied").textContent = facts.jobs?.length ? t("A screening of this dataset is in the queue.")
    : unapplied ? t("{count} {count|change is|changes are} not applied yet.", { count: unapplied }) : t("All is applied.");
  $("apply").disabled = !unapplied || waiting > 0;
  for (const [id, can] of [["undo", facts.can_undo], ["redo", facts.can_redo]]) $(id).disabled = !can && !waiting;
  $("reading").hidden = !facts.is_reading;
  if (facts.command) $("command").replaceChildren(...command(facts.command));
}

function count(numbers, verdict) {
  for (const number of numbers) {
    const before = pictures.verdict(number);
    if (before === KEEP) facts.keep--;
    if (before === DROP) facts.drop--;
  }
  if (verdict === KEEP) facts.keep += numbers.length;
  if (verdict === DROP) facts.drop += numbers.length;
}

function decide(numbers, verdict) {
  if (!numbers.length || !changes.version) return;
  count(numbers, verdict);
  changes.add("decisions", numbers, verdict);
  const said = verdict === KEEP ? t("kept") : verdict === DROP ? t("dropped") : t("without a verdict");
  say(numbers.length > 1 ? `${whole(numbers.length)}: ${said}` : said);
  grid.draw();
  status();
}

function mark(verdict, isOn) {
  decide(grid.chosen(), verdict);
  if (isOn) grid.go(grid.range[1] + 1);
  else grid.go(grid.at);
}

function turn(act) {
  if (!changes.version) return;
  changes.add(act, [], NONE);
  status();
}

function jump(number) {
  const position = pictures.numbers.indexOf(number);
  if (position >= 0) grid.go(position);
}

function undecided(by) {
  for (let position = grid.at + by; position >= 0 && position < grid.count; position += by) {
    if (!pictures.verdict(pictures.numbers[position])) { grid.go(position); return; }
  }
  say(t("No more without a verdict."));
}

function alike() {
  like = pictures.numbers[grid.at];
  if (like === undefined || ![...$("sort").options].some((one) => one.value === "like")) return;
  $("sort").value = "like";
  $("way").value = "up";
  load();
}

function sortBy(position) {
  const option = $("sort").options[position];
  if (!option || option.value === "like") return;
  $("sort").value = option.value;
  load();
}

function larger(by) {
  $("size").value = Number($("size").value) + by;
  $("size").dispatchEvent(new Event("input"));
}

function key(event) {
  const name = event.key, isLong = event.shiftKey, isControl = event.ctrlKey || event.metaKey;
  const row = grid.columns, to = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row, PageDown: grid.page(), PageUp: -grid.page(),
    ".": row, ",": -row }[name];
  if (isControl) {
    return { a: () => grid.all(), z: () => turn(isLong ? "redo" : "undo"), Z: () => turn("redo"), y: () => turn("redo") }[name];
  }
  if (event.altKey) return undefined;
  if (to) return () => grid.go(grid.at + to, { extends: isLong });
  if (/^[1-9]$/.test(name)) return () => sortBy(Number(name) - 1);
  return { Home: () => grid.go(0, { extends: isLong }), End: () => grid.go(grid.count - 1, { extends: isLong }),
    x: () => mark(DROP, true), k: () => mark(KEEP, true), c: () => mark(NONE, false), u: () => turn("undo"), U: () => turn("redo"),
    Enter: () => grid.count && large.open(grid), Escape: () => grid.go(grid.at), s: () => alike(), "[": () => undecided(-1), "]": () => undecided(1),
    "+": () => larger(32), "-": () => larger(-32) }[name];
}

$("grid").addEventListener("keydown", (event) => {
  if (document.body.dataset.going) return;
  const does = key(event);
  if (!does) return;
  event.preventDefault();
  does();
});
$("grid").addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (cell) grid.go(Number(cell.dataset.position), { extends: event.shiftKey });
});
$("grid").addEventListener("dblclick", () => grid.count && large.open(grid));
$("large").addEventListener("close", () => $("grid").focus());
for (const id of ["sort", "way", "show", "split", "source"]) $(id).addEventListener("change", () => load());
let typing = 0;
$("sought").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => load(), 250); });
$("sought").addEventListener("keydown", (event) => {
  if (event.key !== "Escape" && event.key !== "Enter") return;
  event.preventDefault();  // browsers clear a search field at Escape
  $("grid").focus();
});
$("size").addEventListener("input", () => { grid.edge = Number($("size").value); grid.resize(); grid.show(); });
$("first").addEventListener("input", choosesFirst);
for (const [id, does] of [["do-drop", () => mark(DROP, true)], ["do-keep", () => mark(KEEP, true)], ["do-clear", () => mark(NONE, false)],
  ["undo", () => turn("undo")], ["redo", () => turn("redo")], ["do-large", () => grid.count && large.open(grid)]]) $(id).addEventListener("click", does);
$("clear-filters").addEventListener("click", () => {
  for (const id of ["show", "split", "source"]) $(id).selectedIndex = 0;
  $("sought").value = "";
  load();
});
for (const [id, act] of [["apply", "apply"], ["measure", "measure"]]) {
  $(id).addEventListener("click", async () => {
    try {
      const job = await post(`/api/sets/${set}/${act}`);
      $("job-link").hidden = false;
      $("job-link").href = `/jobs/${job.id}`;
      say(t("It is in the queue."));
    } catch (error) { say(error.message); trouble("order", error); }
  });
}

async function follow() {
  try {
    await changes.poll();
  } catch (error) {
    if (error.status === 401) { location.replace("/login"); return; }
    if (error.status) trouble("fault", error.status === 404 ? new Error(t("The folder is not there any more. What you decided is kept: put it back.")) : error);
  }
  setTimeout(follow, document.hidden ? 10000 : 2000);
}

setInterval(() => { if (!document.hidden && [...grid.cells.values()].some((cell) => cell.classList.contains("blank"))) grid.soon(); }, 500);
if (innerWidth < 480) $("size").value = 112;
grid.edge = Number($("size").value);
load({ isFirst: true });
setTimeout(follow, 2000);
$("grid").focus();
