// When each frame of an MP4 file is shown, read from the tables at its head: a browser does not say it.
const LARGEST = 64e6, CHILDREN = new Set(["moov", "trak", "mdia", "minf", "stbl", "edts"]);

// Seconds of all frames in the order in which they are shown, or null where the file says none, such as WebM.
export async function frameTimes(source) {
  try {
    const moov = await head(source);
    return moov && times(moov);
  } catch {
    return null; // damaged, or of another kind: films play without
  }
}

async function part(source, from, size) {
  const answer = await fetch(source, { headers: { range: `bytes=${from}-${from + size - 1}` } });
  if (answer.status !== 206) return null;
  return new DataView(await answer.arrayBuffer());
}

async function head(source) {
  for (let at = 0, turn = 0; turn < 32; turn += 1) {
    const view = await part(source, at, 16);
    if (!view || view.byteLength < 8) return null;
    const { kind, size } = header(view, 0);
    if (kind === "moov") return size <= LARGEST ? part(source, at, size) : null;
    if (size < 8) return null;
    at += size;
  }
  return null;
}

function header(view, at) {
  const kind = String.fromCharCode(...[4, 5, 6, 7].map((step) => view.getUint8(at + step))), size = view.getUint32(at);
  return size === 1 ? { kind, size: Number(view.getBigUint64(at + 8)), inner: at + 16 } : { kind, size, inner: at + 8 };
}

// The boxes in a part of the file: name to where their content begins and ends, of the film's own track.
function* boxes(view, from, to) {
  for (let at = from; at + 8 <= to;) {
    const { kind, size, inner } = header(view, at);
    if (size < 8 || at + size > to) return;
    yield { kind, from: inner, to: at + size };
    at += size;
  }
}

function tables(view, from, to, found = {}) {
  for (const box of boxes(view, from, to)) {
    if (CHILDREN.has(box.kind)) tables(view, box.from, box.to, found);
    else found[box.kind] = box.from;
  }
  return found;
}

function times(moov) {
  const [whole] = boxes(moov, 0, moov.byteLength), inner = [...boxes(moov, whole.from, whole.to)];
  const clock = inner.find((box) => box.kind === "mvhd"), unit = moov.getUint32(clock.from + (moov.getUint8(clock.from) ? 20 : 12));
  for (const box of inner) {
    if (box.kind !== "trak") continue;
    const at = tables(moov, box.from, box.to);
    if (at.hdlr && moov.getUint32(at.hdlr + 8) === 0x76696465) return shown(moov, at, unit); // "vide"
  }
  return null;
}

function shown(view, at, unit) {
  const scale = view.getUint32(at.mdhd + (view.getUint8(at.mdhd) ? 20 : 12)), found = [];
  let decoded = 0;
  for (let row = 0; row < view.getUint32(at.stts + 4); row += 1) {
    const count = view.getUint32(at.stts + 8 + 8 * row), step = view.getUint32(at.stts + 12 + 8 * row);
    for (let each = 0; each < count; each += 1, decoded += step) found.push(decoded);
  }
  for (let row = 0, frame = 0; at.ctts && row < view.getUint32(at.ctts + 4); row += 1) {
    const count = view.getUint32(at.ctts + 8 + 8 * row), later = view.getInt32(at.ctts + 12 + 8 * row);
    for (let each = 0; each < count; each += 1, frame += 1) found[frame] += later;
  }
  const shift = at.elst ? edited(view, at.elst, unit, scale) : 0;
  const seconds = found.map((one) => (one + shift) / scale).sort((one, other) => one - other);
  return seconds.length ? seconds : null;
}

// By how much an edit list moves all frames, in units of the track: what is waited first, less what is skipped.
function edited(view, at, unit, scale) {
  const isLong = view.getUint8(at) === 1, size = isLong ? 20 : 12;
  let waited = 0;
  for (let row = 0; row < view.getUint32(at + 4); row += 1) {
    const from = at + 8 + size * row, lasts = isLong ? Number(view.getBigUint64(from)) : view.getUint32(from);
    const begins = isLong ? Number(view.getBigInt64(from + 8)) : view.getInt32(from + 4);
    if (begins >= 0) return waited - begins;
    waited += lasts / unit * scale;
  }
  return 0;
}
