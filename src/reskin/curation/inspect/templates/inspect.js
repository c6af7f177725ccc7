// Draws the pictures that are on the screen, and only those.

// ---- the table: pictures are numbered through all sets
const table = JSON.parse(one("#table").textContent);
const sets = table.sets;
const splits = ["train", "val", "test"];
const first = [0];
for (const set of sets) first.push(first.at(-1) + set.files.length);
const total = first.at(-1);
const setOf = (id) => (sets.length > 1 && id >= first[1] ? 1 : 0);
const rowOf = (id) => id - first[setOf(id)];

// ---- thumbnails: packed one after the other, a pack is unpacked when it is first needed
const packs = all(".pack");
const where = new Uint32Array(total * 2); // pack and first byte of each
{
  let pack = 0, start = 0;
  table.thumbnails.forEach((size, id) => {
    if (start + size > table.chunk_bytes) { pack += 1; start = 0; }
    where[2 * id] = pack;
    where[2 * id + 1] = start;
    start += size;
  });
}
const unpacked = new Map();
function bytesOf(pack) {
  if (!unpacked.has(pack)) {
    const text = atob(packs[pack].textContent), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
    unpacked.set(pack, bytes);
    packs[pack].textContent = ""; // the text is not needed a second time
  }
  return unpacked.get(pack);
}
function thumbnailOf(id) {
  const start = where[2 * id + 1];
  const bytes = bytesOf(where[2 * id]).subarray(start, start + table.thumbnails[id]);
  return URL.createObjectURL(new Blob([bytes], { type: "image/webp" }));
}
function imageOf(id) {
  const image = new Image();
  image.decoding = "async";
  image.alt = "";
  image.draggable = false;
  image.src = thumbnailOf(id);
  return image;
}
for (const thumb of all(".thumb")) thumb.append(imageOf(first[thumb.dataset.set] + Number(thumb.dataset.row)));

// ---- choices
const controls = Object.fromEntries(["set", "split", "source", "state", "search", "sort", "turn", "size"]
  .map((name) => [name, one(`#${name}`)]));
function options(select, pairs) {
  select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
  select.parentElement.hidden = pairs.length < 2;
}
const unique = (names) => [...new Set(names)];
options(controls.set, sets.length > 1 ? [["", "both"], ...sets.map((set, i) => [String(i), set.name])] : []);
const present = unique(sets.flatMap((set) => unique(set.splits))).sort();
options(controls.split, present.length > 1 ? [["", "all"], ...present.map((i) => [String(i), splits[i]])] : []);
const sourceNames = unique(sets.flatMap((set) => set.sources));
options(controls.source, sourceNames.length > 1 ? [["", "all"], ...sourceNames.map((name) => [name, name])] : []);
const reasons = unique(sets.flatMap((set) => set.reasons));
options(controls.state, reasons.length
  ? [["", "all"], ["used", "in use"], ["out", "left out"], ...reasons.map((why) => [`:${why}`, `left out: ${why}`])] : []);
const scoreNames = unique(sets.flatMap((set) => Object.keys(set.scores)));
options(controls.sort, [["", "order"], ["name", "name"], ...Object.keys(table.units).map((name) => [`m:${name}`, name]),
  ["pixels", "size"], ...scoreNames.map((name) => [`s:${name}`, `score: ${name}`])]);

function valueOf(id, sort) {
  const set = sets[setOf(id)], row = rowOf(id);
  if (sort === "pixels") return set.widths[row] * set.heights[row];
  const column = sort.startsWith("m:") ? set.measures[sort.slice(2)] : set.scores[sort.slice(2)];
  return column ? column[row] : null;
}
function shown(id) {
  const sort = controls.sort.value, value = sort && sort !== "name" ? valueOf(id, sort) : null;
  if (value === null) return "";
  return sort === "pixels" ? `${sets[setOf(id)].widths[rowOf(id)]}×${sets[setOf(id)].heights[rowOf(id)]}`
    : Number(value.toPrecision(3)).toString();
}

let order = []; // the numbers of the pictures that fit, as they are shown
let current = 0; // index in `order` at which the keyboard is
const marked = new Set();

function choose() {
  const { set, split, source, state, search, sort } = controls;
  const word = search.value.trim().toLowerCase();
  const found = [];
  sets.forEach((one, number) => {
    if (set.value !== "" && set.value !== String(number)) return;
    const reason = state.value.startsWith(":") ? one.reasons.indexOf(state.value.slice(1)) : -1;
    for (let row = 0; row < one.files.length; row += 1) {
      if (split.value !== "" && String(one.splits[row]) !== split.value) continue;
      if (source.value !== "" && one.sources[one.source[row]] !== source.value) continue;
      if (state.value === "used" && one.out[row].length) continue;
      if (state.value === "out" && !one.out[row].length) continue;
      if (state.value.startsWith(":") && !one.out[row].includes(reason)) continue;
      if (word && !one.files[row].toLowerCase().includes(word)) continue;
      found.push(first[number] + row);
    }
  });
  const way = controls.turn.getAttribute("aria-pressed") === "true" ? -1 : 1;
  if (sort.value === "name") {
    const name = (id) => sets[setOf(id)].files[rowOf(id)];
    const collator = new Intl.Collator("en", { numeric: true });
    found.sort((x, y) => way * collator.compare(name(x), name(y)) || x - y);
  } else if (sort.value) {
    const key = new Map(found.map((id) => [id, valueOf(id, sort.value)]));
    // What was not measured comes last, whichever way.
    found.sort((x, y) => {
      const [p, q] = [key.get(x), key.get(y)];
      if (p === null || q === null) return (p === null) - (q === null) || x - y;
      return way * (p - q) || x - y;
    });
  } else if (way < 0) found.reverse();
  order = found;
  current = 0;
  tell();
  one("#none").hidden = order.length > 0;
  for (const index of [...cells.keys()]) drop(index);
  lay();
}
function tell() {
  const number = (count) => count.toLocaleString("en");
  const all_ = order.length === total ? `${number(total)} images` : `${number(order.length)} of ${number(total)} images`;
  one("#count").textContent = marked.size ? `${all_}, ${number(marked.size)} marked` : all_;
  one(".marks").hidden = marked.size === 0;
}

// ---- the grid
const grid = one("#grid");
const cells = new Map(); // index in `order` to its button
const gap = 6;
let columns = 1, cellWidth = 100, cellHeight = 100, pitch = 100; // px; pitch: from row to row
const shape = (() => { // the usual form of a picture, so that few cells have empty bands
  const ratios = sets.flatMap((set) => set.widths.map((width, row) => width / set.heights[row])).sort((x, y) => x - y);
  return Math.max(0.6, Math.min(1.8, ratios[ratios.length >> 1]));
})();

function lay() {
  const width = grid.clientWidth;
  const wanted = Number(controls.size.value) * Math.sqrt(shape);
  columns = Math.max(1, Math.floor((width + gap) / (wanted + gap)));
  cellWidth = Math.floor((width + gap) / columns) - gap;
  cellHeight = Math.round(cellWidth / shape);
  pitch = cellHeight + gap;
  grid.style.height = `${Math.ceil(order.length / columns) * pitch}px`;
  for (const [index, cell] of cells) put(cell, index);
  draw();
}
function put(cell, index) {
  cell.style.cssText = `left:${(index % columns) * (cellWidth + gap)}px;top:${Math.floor(index / columns) * pitch}px;` +
    `width:${cellWidth}px;height:${cellHeight}px`;
}
function draw() {
  const top = -grid.getBoundingClientRect().top;
  const from = Math.max(0, Math.floor((top - 2 * pitch) / pitch) * columns);
  const to = Math.min(order.length, (Math.ceil((top + innerHeight) / pitch) + 2) * columns);
  for (const index of [...cells.keys()]) if (index < from || index >= to) drop(index);
  const fresh = document.createDocumentFragment();
  for (let index = from; index < to; index += 1) if (!cells.has(index)) fresh.append(make(index));
  grid.append(fresh);
  const reached = cells.has(current) ? current : from;
  for (const [index, cell] of cells) cell.tabIndex = index === reached ? 0 : -1;
}
function make(index) {
  const id = order[index], set = sets[setOf(id)], row = rowOf(id), cell = document.createElement("button");
  const why = set.out[row].map((reason) => set.reasons[reason]).join(", ");
  cell.type = "button";
  cell.className = `cell${why ? " out" : ""}${marked.has(id) ? " marked" : ""}`;
  cell.dataset.index = index;
  if (why) cell.dataset.why = why;
  cell.title = set.files[row];
  cell.setAttribute("aria-label", `${set.files[row]}, ${splits[set.splits[row]]}${why ? `, left out: ${why}` : ""}`);
  cell.append(imageOf(id));
  const value = shown(id);
  if (value) {
    const label = document.createElement("span");
    label.className = "value";
    label.textContent = value;
    cell.append(label);
  }
  if (sets.length > 1 && controls.set.value === "") {
    const dot = document.createElement("span");
    dot.className = `domain ${"ab"[setOf(id)]}`;
    cell.append(dot);
  }
  put(cell, index);
  cells.set(index, cell);
  return cell;
}
function drop(index) {
  const cell = cells.get(index);
  URL.revokeObjectURL(one("img", cell).src);
  cell.remove();
  cells.delete(index);
}
let waiting = false;
function soon(act) {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; act(); });
}
addEventListener("scroll", () => soon(draw), { passive: true });
addEventListener("resize", () => soon(lay));
controls.size.addEventListener("input", () => soon(lay));
for (const name of ["set", "split", "source", "state", "sort"]) controls[name].addEventListener("change", choose);
controls.search.addEventListener("input", choose);
controls.turn.addEventListener("click", () => {
  const pressed = controls.turn.getAttribute("aria-pressed") !== "true";
  controls.turn.setAttribute("aria-pressed", String(pressed));
  controls.turn.setAttribute("aria-label", pressed ? "Highest first" : "Lowest first");
  controls.turn.textContent = pressed ? "↓" : "↑";
  choose();
});

// ---- marks and keys
function mark(index) {
  const id = order[index];
  if (marked.has(id)) marked.delete(id); else marked.add(id);
  if (cells.has(index)) cells.get(index).classList.toggle("marked", marked.has(id));
  tell();
}
function moveTo(index) {
  current = Math.max(0, Math.min(order.length - 1, index));
  const top = grid.getBoundingClientRect().top + scrollY + Math.floor(current / columns) * pitch;
  const head = one(".tools").offsetHeight + gap;
  if (top - head < scrollY) scrollTo(0, top - head);
  else if (top + pitch > scrollY + innerHeight) scrollTo(0, top + pitch - innerHeight);
  draw();
  cells.get(current)?.focus({ preventScroll: true });
}
const steps = () => ({
  ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -Infinity, End: Infinity,
  PageDown: columns * Math.max(1, Math.floor(innerHeight / pitch) - 1),
  PageUp: -columns * Math.max(1, Math.floor(innerHeight / pitch) - 1),
});
grid.addEventListener("keydown", (event) => {
  const cell = event.target.closest(".cell");
  if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
  const index = Number(cell.dataset.index), step = steps()[event.key];
  if (step !== undefined) moveTo(index + step);
  else if (event.key.toLowerCase() === "x") mark(index);
  else return;
  event.preventDefault();
});
grid.addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (!cell) return;
  current = Number(cell.dataset.index);
  if (event.shiftKey) mark(current); else open(current);
});
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select, textarea") || dialog.open) return;
  event.preventDefault();
  controls.search.focus();
});
const names = () => [...marked].sort((x, y) => x - y).map((id) => sets[setOf(id)].files[rowOf(id)]).join("\n");
one("#copy-marks").addEventListener("click", (event) => copy(names(), event.target, () => {
  const box = document.createElement("textarea");
  box.value = names();
  event.target.after(box);
  box.select();
}));
one("#clear-marks").addEventListener("click", () => {
  marked.clear();
  for (const cell of cells.values()) cell.classList.remove("marked");
  tell();
});

// ---- one picture, as large as it goes: the file itself where it still lies there, else its thumbnail
const dialog = one("#look");
let opened = 0, loaned = "";
function open(index) {
  opened = Math.max(0, Math.min(order.length - 1, index));
  const id = order[opened], set = sets[setOf(id)], row = rowOf(id), image = one(".large img", dialog);
  if (loaned) URL.revokeObjectURL(loaned);
  loaned = thumbnailOf(id);
  image.onerror = () => { image.onerror = null; image.src = loaned; };
  try {
    image.src = set.base === null ? loaned : `${set.base}/${set.files[row].split("/").map(encodeURIComponent).join("/")}`;
  } catch {
    image.src = loaned; // a name that is no text has no address
  }
  image.alt = set.files[row];
  one("h3", dialog).textContent = set.files[row];
  const facts = [["Set", sets.length > 1 ? set.name : ""], ["Split", splits[set.splits[row]]],
    ["Source", set.sources[set.source[row]] || ""],
    ["Time", set.seconds[row] === null ? "" : `${set.seconds[row].toFixed(2)} s`],
    ["Size", `${set.widths[row]} × ${set.heights[row]} px`],
    ["Left out", set.out[row].map((reason) => set.reasons[reason]).join(", ")],
    ...Object.entries(set.measures).map(([name, column]) => [name, String(column[row])]),
    ...Object.entries(set.scores).filter(([, column]) => column[row] !== null)
      .map(([name, column]) => [`score: ${name}`, String(column[row])])];
  one("dl", dialog).replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => {
    const term = document.createElement("dt"), fact = document.createElement("dd");
    term.textContent = name;
    fact.textContent = value;
    return [term, fact];
  }));
  one(".mark", dialog).setAttribute("aria-pressed", String(marked.has(id)));
  if (!dialog.open) dialog.showModal();
}
function markOpened() {
  mark(opened);
  one(".mark", dialog).setAttribute("aria-pressed", String(marked.has(order[opened])));
}
one(".back", dialog).addEventListener("click", () => open(opened - 1));
one(".on", dialog).addEventListener("click", () => open(opened + 1));
one(".mark", dialog).addEventListener("click", markOpened);
one(".close", dialog).addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => moveTo(opened));
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") open(opened + 1);
  else if (event.key === "ArrowLeft") open(opened - 1);
  else if (event.key.toLowerCase() === "x") markOpened();
  else return;
  event.preventDefault();
});

choose();
