// Making elements, words, and asking the server. Nothing here takes text for markup.
const table = JSON.parse(document.getElementById("words").textContent);

export function t(text, values = {}) {
  return (table[text] ?? text).replace(/\{(\w+)(?:\|([^|{}]*)\|([^|{}]*))?\}/g, (all, name, one, many) => {
    if (!(name in values)) return all;
    return one === undefined ? String(values[name]) : values[name] === 1 ? one : many;
  });
}

export function $(id) { return document.getElementById(id); }

export function make(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (typeof value === "boolean") made.toggleAttribute(key, value);
    else made.setAttribute(key, value);
  }
  made.append(...inside);
  return made;
}

// A command whose lines end between words: browsers would also end one after the first of the hyphens of a flag.
export function command(line) { return line.split(" ").flatMap((word, at) => [at ? " " : "", make("span", {}, word)]); }

// A name and its value, for a list of both.
export function row(name, value) { return make("div", {}, make("dt", {}, name), make("dd", {}, value)); }

export function whole(count) { return count.toLocaleString("en-US"); }

export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (seconds > 0 && s < 1) return "< 1 s";
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

export class Refused extends Error {
  constructor(status, { what, fix, lang }) {
    const stop = what.endsWith("。") || lang === "zh-TW" || lang === "zh-CN" ? "。" : ". ";
    super(fix ? `${what.replace(/[.。]$/, "")}${stop}${fix}` : what);
    this.status = status;
    this.lang = lang;
  }
}

// Sentences of commands are English on every page.
export function showError(element, error) {
  element.textContent = error.message;
  element.lang = error.lang || document.documentElement.lang;
}

async function answered(response) {
  if (response.ok) return response.json();
  const said = await response.json().then((values) => values.error, () => null);
  throw new Refused(response.status, said ?? { what: t("This did not work ({status}).", { status: response.status }) });
}

export async function get(path) { return answered(await fetch(path, { credentials: "same-origin" })); }

export async function post(path, values = {}) {
  return answered(await fetch(path, {
    method: "POST", credentials: "same-origin", headers: { "content-type": "application/json" }, body: JSON.stringify(values),
  }));
}

export function say(text) { $("said").textContent = text; }

export function storeChoice(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=strict`;
}

export function isTyping() {
  const at = document.activeElement;
  return at instanceof HTMLElement && at.matches("input:not([type=range]), textarea, select");
}

export function onKey(key, action) {
  document.addEventListener("keydown", (event) => {
    if (event.key !== key || event.ctrlKey || event.metaKey || event.altKey || isTyping() || event.defaultPrevented) return;
    if ($("keys").open || document.body.dataset.going) return;
    event.preventDefault();
    action();
  });
}
