// What the page knows: the order of the pictures, their verdicts, thumbnails, and changes that are on their way.
import { get, post, Refused } from "./dom.js";

export const NONE = 0, KEEP = 1, DROP = 2, NAMES = ["none", "keep", "drop"];
const MOST_THUMBNAILS = 4000, PACK = 240, MOST_LISTED = 2000;

function framed(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  return { head: JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))), at: 4 + length };
}

async function bytes(path) {
  const response = await fetch(path, { credentials: "same-origin" });
  if (response.ok) return response.arrayBuffer();
  const said = await response.json().then((values) => values.error, () => null);
  throw new Refused(response.status, said ?? { what: String(response.status) });
}

export class Pictures {
  // Numbers in the order shown; verdict by number; what is known of those that were on the screen.
  constructor(set, changed) {
    this.base = `/api/sets/${set}`;
    this.media = `/media/sets/${set}`;
    this.changed = changed;
    this.numbers = new Uint32Array(0);
    this.verdicts = new Uint8Array(0);
    this.known = new Map();
    this.wanted = [];
    this.sort = "";
    this.fetching = false;
    this.latency = 200;  // ms that an answer takes
    this.spread = null;
    this.turn = 0;
  }

  async load(asked) {
    const buffer = await bytes(`${this.base}/order?${new URLSearchParams(asked)}`);
    const { head, at } = framed(buffer);
    const numbers = new Uint32Array(buffer, at, head.count), verdicts = new Uint8Array(buffer, at + 4 * head.count, head.count);
    let most = 0;
    for (const number of numbers) if (number > most) most = number;
    this.grow(most);
    for (let i = 0; i < numbers.length; i++) this.verdicts[numbers[i]] = verdicts[i];
    this.numbers = numbers;
    this.spread = head.bins ? head : null;
    if (this.sort !== asked.sort) for (const one of this.known.values()) one.isOld = true;  // of another score
    this.sort = asked.sort;
    return head;
  }

  grow(most) {
    if (most < this.verdicts.length) return;
    const larger = new Uint8Array(most + 1);
    larger.set(this.verdicts);
    this.verdicts = larger;
  }

  verdict(number) { return this.verdicts[number] ?? NONE; }

  set(number, verdict) { this.grow(number); this.verdicts[number] = verdict; }

  forget() { for (const one of this.known.values()) one.isOld = true; }

  // Ask for what is on the screen; what scrolled by meanwhile is not asked for any more.
  want(numbers) {
    this.wanted = numbers.filter((number) => {
      const one = this.known.get(number);
      return !one || one.isOld || (one.state === "waiting" && Date.now() > one.again);
    });
    this.pump();
  }

  async pump() {
    if (this.fetching || !this.wanted.length) return;
    this.fetching = true;
    const begun = performance.now();
    const asked = this.wanted.slice(0, PACK);
    this.wanted = this.wanted.slice(PACK);
    try {
      this.keep(await bytes(`${this.base}/pack?ids=${asked.join()}&sort=${encodeURIComponent(this.sort)}`), asked);
    } catch (error) {
      this.wanted = [];
      this.changed([], error);
    } finally {
      this.fetching = false;
      this.latency += (performance.now() - begun - this.latency) / 3;
    }
    this.pump();
  }

  keep(buffer, asked) {
    const { head, at } = framed(buffer);
    let from = at;
    for (const one of head.pictures) {
      one.jpeg = one.size ? new Uint8Array(buffer, from, one.size) : null;
      one.turn = this.turn += 1;
      one.again = Date.now() + 400;
      from += one.size;
      this.known.delete(one.n);
      this.known.set(one.n, one);
    }
    for (const number of asked) if (!this.known.has(number)) this.known.set(number, { n: number, name: "", out: [], state: "gone", jpeg: null });
    for (const number of this.known.keys()) {
      if (this.known.size <= MOST_THUMBNAILS) break;
      this.known.delete(number);
    }
    this.changed(asked, null);
  }
}

function bits(numbers) {
  // Many numbers as the bits of their span: a hundred thousand are 17 kB.
  let low = Infinity, high = 0;
  for (const number of numbers) { if (number < low) low = number; if (number > high) high = number; }
  const packed = new Uint8Array((high - low >> 3) + 1);
  for (const number of numbers) packed[number - low >> 3] |= 1 << (number - low & 7);
  return { from: low, bits: base64(packed) };
}

function base64(content) {
  let text = "";
  for (let i = 0; i < content.length; i += 8192) text += String.fromCharCode(...content.subarray(i, i + 8192));
  return btoa(text);
}

// The address of a thumbnail, made when it is shown: an object URL costs two calls to another process of the
// browser, which took a third of all time while one scrolled.
export function address(one) { return `data:image/jpeg;base64,${base64(one.jpeg)}`; }

export class Changes {
  // A queue that outlives the page: a change is taken out of it after the server has said that it is kept.
  constructor(set, pictures, said) {
    this.base = `/api/sets/${set}`;
    this.pictures = pictures;
    this.said = said;
    this.revision = 0;
    this.version = "";
    this.sending = false;
    this.trouble = null;
    const tab = sessionStorage.getItem("reskin-tab") ?? crypto.randomUUID();
    sessionStorage.setItem("reskin-tab", tab);
    this.prefix = `reskin-verdicts-${set}-`;
    this.key = this.prefix + tab;
    this.queue = [];
    for (const key of Object.keys(localStorage).filter((one) => one.startsWith(this.prefix))) {
      this.queue.push(...JSON.parse(localStorage.getItem(key)));
      if (key !== this.key) localStorage.removeItem(key);  // of a tab that was closed; a change sent twice counts once
    }
    this.store();
  }

  store() {
    try {
      if (this.queue.length) localStorage.setItem(this.key, JSON.stringify(this.queue));
      else localStorage.removeItem(this.key);
    } catch { /* the browser's own memory is full: the queue stays in this page */ }
  }

  add(act, numbers, verdict) {
    const body = { nonce: crypto.randomUUID(), version: this.version };
    if (act === "decisions") {
      Object.assign(body, { verdict: NAMES[verdict] }, numbers.length > MOST_LISTED ? bits(numbers) : { numbers: [...numbers] });
      for (const number of numbers) this.pictures.set(number, verdict);
    }
    this.queue.push({ act, body });
    this.store();
    this.send();
  }

  async send() {
    if (this.sending) return;
    this.sending = true;
    while (this.queue.length) {
      const next = this.queue[0];
      try {
        const found = await post(`${this.base}/${next.act}`, { ...next.body, since: this.revision });
        this.trouble = null;
        this.queue.shift();
        this.store();
        this.take(found, next.act !== "decisions");
      } catch (error) {
        if (error.status === 401) { location.replace("/login"); return; }
        if (error.status === 400 || error.status === 409) {  // it will never be taken
          this.queue.shift();
          this.store();
          this.said(null, error, error.status === 409);
          continue;
        }
        this.trouble = error.status ? error : null;
        this.said(null, null, false);
        await new Promise((done) => setTimeout(done, 2000));
      }
    }
    this.sending = false;
  }

  take(found, isJump = false) {
    const isNew = this.version && found.version !== this.version;
    const edits = found.edits ?? [];
    for (const [number, verdict] of edits) this.pictures.set(number, verdict);
    this.again();
    if (found.revision > this.revision || isNew) this.revision = found.revision;
    this.said({ ...found, isJump, isAnew: isNew || found.edits === null }, null, false);
  }

  again() {
    // What is still on its way holds on the screen.
    for (const { act, body } of this.queue) {
      if (act === "decisions" && body.numbers) for (const number of body.numbers) this.pictures.set(number, NAMES.indexOf(body.verdict));
    }
  }

  async poll() {
    if (this.sending) return;
    const found = await get(`${this.base}/changes?since=${this.revision}`);
    if (!this.sending) this.take(found);
  }
}
