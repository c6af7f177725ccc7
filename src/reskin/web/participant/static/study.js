// One rater's way through a study: language, consent, instructions, practice, trials, thanks.
"use strict";

const AHEAD = 5; // trials whose stimuli are fetched and decoded before they are needed
const BLANK_MS = 900, GAP_MS = 600, TOLERANCE_MS = 34;

const body = document.body;
const screen = document.getElementById("screen");
const status = document.getElementById("status");
const words = JSON.parse(document.getElementById("words").textContent);
const here = location.pathname.replace(/\/$/, "");
const store = `answers ${here}`;
const beginStore = `begin ${here}`;
let language = document.documentElement.lang;
let study = null; // what the server knows of this rater
let keys = {}; // key to what it does now

function t(text, values = {}) {
  const said = (words[language] || {})[text] || text;
  return said.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

function show(...children) {
  keys = {};
  screen.className = "";
  screen.replaceChildren(...children);
  const first = screen.querySelector("[autofocus]");
  (first || screen).focus({ preventScroll: true });
}

function closed(title, text) {
  show(make("h1", {}, t(title)), make("p", {}, t(text)));
}

const AWAY = "The server does not answer. What you did is kept and will be sent.";

function lost() {
  status.textContent = "";
  closed("This study is closed for you", "Your part was given to somebody else, or is used in another browser. Thank you.");
}

const NAMES = { en: "English", "zh-TW": "繁體中文", "zh-CN": "简体中文" };

function languagePicker(redraw) {
  const row = make("div", { class: "row", role: "group", "aria-label": t("Language") });
  for (const name of body.dataset.languages.split(" ")) {
    const button = make("button", { type: "button", lang: name, "aria-pressed": String(name === language) }, NAMES[name]);
    button.addEventListener("click", () => {
      language = name;
      document.documentElement.lang = name;
      redraw();
    });
    row.append(button);
  }
  return row;
}

// ---- sending -----------------------------------------------------------------------------------

function unsent() {
  try {
    const kept = JSON.parse(localStorage.getItem(store) || "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

function keep(list) {
  try {
    localStorage.setItem(store, JSON.stringify(list));
  } catch {
    // No room or no permission: answers are sent one by one, and a reload asks the trial again.
  }
}

// Sent with begin, so that this browser may begin again where the server's answer was lost.
function beginKey() {
  try {
    const key = localStorage.getItem(beginStore) || nonce();
    localStorage.setItem(beginStore, key);
    return key;
  } catch {
    return nonce();
  }
}

function hasBegunHere() {
  try {
    return localStorage.getItem(beginStore) !== null;
  } catch {
    return false;
  }
}

async function post(path, values) {
  return fetch(`${here}/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(values),
  });
}

function wait(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

// Sends what is kept until the server has it; gives the answer to the last one.
async function sendAll(queue) {
  let last = {};
  let pause = 500;
  while (queue.length) {
    let answer = null;
    try {
      answer = await post("answers", queue[0]);
      last = answer.ok ? await answer.json() : {};
    } catch {
      answer = null; // no answer, or half of one: it is sent again
    }
    if (answer && (answer.ok || answer.status === 409 || answer.status === 400)) {
      queue.shift();
      keep(queue);
      pause = 500;
      status.textContent = "";
      continue;
    }
    if (answer && answer.status === 403) {
      lost();
      return null;
    }
    status.textContent = t(AWAY);
    await wait(pause);
    pause = Math.min(10000, pause * 2);
  }
  return last;
}

function nonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}

// ---- stimuli -----------------------------------------------------------------------------------

const loading = new Map(); // id to the promise of an address

function fetched(id) {
  if (!loading.has(id)) {
    const request = (async () => {
      for (let pause = 500; ; pause = Math.min(10000, pause * 2)) {
        try {
          const answer = await fetch(`${here}/stimuli/${id}`);
          if (answer.ok) {
            const made = URL.createObjectURL(await answer.blob());
            if (status.textContent === t(AWAY)) status.textContent = "";
            return made;
          }
          if (answer.status === 403) lost();
        } catch {
          // the server is away: once more
        }
        status.textContent = t(AWAY);
        await wait(pause);
      }
    })();
    loading.set(id, request);
  }
  return loading.get(id);
}

// An element that shows a stimulus, decoded; throws where this browser cannot show it.
async function element(id) {
  const address = await fetched(id);
  if (study.kind === "preference-video") {
    const video = make("video", { muted: true, playsinline: true, preload: "auto" });
    video.muted = true;
    video.src = address;
    await new Promise((done, failed) => {
      video.addEventListener("loadeddata", done, { once: true });
      video.addEventListener("error", () => failed(new Error("no video")), { once: true });
    });
    return video;
  }
  const image = make("img", { alt: "" });
  image.src = address;
  await image.decode();
  return image;
}

function fetchAhead(from) {
  for (const trial of study.trials.slice(from, from + AHEAD)) {
    for (const id of [...trial.beside, ...trial.shown]) fetched(id);
  }
}

async function forget(trial) {
  for (const id of [...trial.beside, ...trial.shown]) {
    if (loading.has(id)) URL.revokeObjectURL(await loading.get(id));
    loading.delete(id);
  }
}

// ---- timing ------------------------------------------------------------------------------------

function frame() {
  return new Promise(requestAnimationFrame);
}

async function frameLength() {
  const stamps = [];
  for (let turn = 0; turn < 12; turn += 1) stamps.push(await frame());
  const steps = stamps.slice(1).map((stamp, turn) => stamp - stamps[turn]).sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)];
}

const seen = { hidden: false, unfocused: false };
document.addEventListener("visibilitychange", () => {
  if (document.hidden) seen.hidden = true;
});
window.addEventListener("blur", () => {
  seen.unfocused = true;
});

// Shows an element for a time, in callbacks of animation frames; gives the time between both.
async function expose(stimulus, ms, step) {
  const begin = await frame();
  stimulus.classList.remove("hidden");
  for (;;) {
    const now = await frame();
    if (now - begin >= ms - step / 2) {
      stimulus.classList.add("hidden");
      return now - begin;
    }
  }
}

// ---- the way -----------------------------------------------------------------------------------

function welcome() {
  const agreed = make("input", { type: "checkbox", id: "agreed" });
  const start = make("button", { type: "button", class: "primary", disabled: true }, t("Begin"));
  agreed.addEventListener("change", () => {
    start.disabled = !agreed.checked;
  });
  start.addEventListener("click", () => begin(start));
  const what = {
    "real-or-fake": "You will see two images, one after the other, a second each. One is real, one was made by a program. Say which one was made.",
    preference: "You will see an image and two versions of it. Say which version is better.",
    "preference-video": "You will see a clip and two versions of it. Say which version is better.",
  }[body.dataset.kind];
  show(
    make("h1", {}, t("A study of images")),
    languagePicker(welcome),
    make("p", {}, t(what)),
    make("p", {}, t("It takes about ten minutes. It begins with practice, where you see whether you were right.")),
    make("p", {}, t("Taking part is voluntary, and you may stop at any time. Kept are your answers, how long they took, and your choice of language: no name, no address, nothing else about you. At the end you get a code with which you can have your answers deleted.")),
    make("label", { class: "consent" }, agreed, make("span", {}, t("I am 18 or older, I see colours normally as far as I know, and I agree to take part."))),
    make("div", { class: "row" }, start),
    withdrawal(),
  );
}

async function begin(button) {
  if (window.innerWidth < 320) {
    status.textContent = t("This window is too narrow: make it at least 320 pixels wide.");
    return;
  }
  if (body.dataset.kind === "preference-video" && make("video").canPlayType('video/mp4; codecs="avc1.42E01E"') === "") {
    status.textContent = t("This browser cannot play the clips. Open this page in another browser or on another device.");
    return;
  }
  button.disabled = true;
  try {
    const answer = await post("begin", { language, consent: true, key: beginKey() });
    if (answer.ok) {
      study = await answer.json();
      instructions();
      return;
    }
    const { error } = await answer.json().catch(() => ({}));
    if (error === "full") closed("This study is full", "Enough people have taken part. Thank you for your interest.");
    else closed("This invite is in use", "It was begun in another browser. Go on there, or ask for another invite.");
  } catch {
    status.textContent = t("The server does not answer. Try again in a while.");
    button.disabled = false;
  }
}

const QUESTIONS = {
  realism: "Which looks more like a real photograph or film?",
  faithfulness: "Which keeps more of what the input shows?",
  identity: "In which is it still the same person or scene?",
  steadiness: "Which moves more steadily, without flicker?",
};

function question() {
  return study.kind === "real-or-fake" ? t("Which one was made by a program?") : t(QUESTIONS[study.question]);
}

// The first practice trial with its answer, so that everybody knows what is asked.
async function example(holder) {
  const made = await elements(study.trials[study.example.trial]);
  if (made === null || !holder.isConnected) return; // or the practice has begun
  const [inputs, two] = made;
  const right = study.example.right === "first" ? 0 : 1;
  const said = study.kind === "real-or-fake" ? ["Made by a program", "Real"] : ["The better one", "The worse one"];
  holder.replaceChildren(
    make("h2", {}, t("An example")),
    make("div", { class: "beside" }, ...inputs.map((inner) => figure(inner, "Input"))),
    make("div", { class: "two" }, ...two.map((inner, turn) => figure(inner, said[turn === right ? 0 : 1]))),
  );
  for (const video of holder.querySelectorAll("video")) {
    video.loop = true;
    video.play().catch(() => {}); // one that may not play by itself stands still
  }
}

function instructions() {
  fetchAhead(0);
  const holder = make("div", { class: "example" });
  const go = make("button", { type: "button", class: "primary", autofocus: true }, t("Start the practice"));
  go.addEventListener("click", run, { once: true }); // pressed again while frames are timed, it would run twice
  show(
    make("h1", {}, t("How it works")),
    make("p", {}, question()),
    make("p", {}, t(study.kind === "real-or-fake"
      ? "Keys: left arrow or 1 for the first, right arrow or 2 for the second. Or use the buttons."
      : "Keys: left arrow or 1 for the left one, right arrow or 2 for the right one, down arrow or 3 for no difference. Or use the buttons.")),
    make("p", {}, t("Some trials are easy: they check that somebody is looking. If you do not know, guess.")),
    holder,
    make("div", { class: "row" }, go),
  );
  keys = { Enter: () => go.click() };
  example(holder);
}

async function run() {
  const left = unsent();
  const step = study.kind === "real-or-fake" ? await frameLength() : 0;
  const done = new Set([...study.done, ...left.map((each) => each.trial)]);
  if (left.length && (await sendAll(left)) === null) return;
  for (let number = 0; number < study.trials.length; number += 1) {
    if (done.has(number)) continue;
    fetchAhead(number);
    const feedback = await trial(number, step);
    if (feedback === null) return;
    if (study.trials[number].part === "practice") await say(feedback.right, number);
    forget(study.trials[number]);
  }
  await finish();
}

// The elements of a trial; null where they cannot be shown, which the page then says: a blank is not judged.
async function elements(row) {
  try {
    return [await Promise.all(row.beside.map(element)), await Promise.all(row.shown.map(element))];
  } catch {
    closed("This browser cannot show the images", "Ask for another invite, and open it in another browser or on another device. Thank you.");
    return null;
  }
}

async function trial(number, step) {
  const row = study.trials[number];
  show(make("p", {}, t("One moment …")));
  screen.className = "trial";
  const made = await elements(row);
  if (made === null) return null;
  const [beside, two] = made;
  const given = study.kind === "real-or-fake" ? await timed(two, step, number) : await compared(two, beside, number);
  const queue = [...unsent(), { trial: number, nonce: nonce(), ...given }];
  keep(queue);
  return sendAll(queue);
}

function counted(number) {
  const practice = study.trials.filter((row) => row.part === "practice").length;
  const [at, of] = number < practice ? [number + 1, practice] : [number + 1 - practice, study.trials.length - practice];
  return make("p", { class: "soft" }, t(number < practice ? "Practice {at} of {of}" : "{at} of {of}", { at, of }));
}

async function timed(two, step, number) {
  const stage = make("div", { class: "stage" });
  show(counted(number), stage);
  screen.className = "trial";
  Object.assign(seen, { hidden: document.hidden, unfocused: !document.hasFocus() });
  const shown = [];
  for (const [turn, stimulus] of two.entries()) {
    stimulus.classList.add("hidden");
    stage.replaceChildren(stimulus);
    await wait(turn ? GAP_MS : BLANK_MS);
    shown.push(await expose(stimulus, study.exposure, step));
  }
  const flags = Object.entries(seen).filter(([, is]) => is).map(([name]) => name);
  if (shown.some((ms) => Math.abs(ms - study.exposure) > TOLERANCE_MS)) flags.push("off");
  const asked = performance.now();
  stage.replaceChildren(make("p", {}, question()));
  const choice = await chosen(["first", "second"], ["First", "Second"]);
  return { choice, shown, flags, rt: performance.now() - asked };
}

function figure(inner, text) {
  return make("figure", {}, inner, make("figcaption", {}, t(text)));
}

async function compared(two, beside, number) {
  show(
    counted(number),
    make("h2", { class: "soft" }, question()),
    make("div", { class: "beside" }, ...beside.map((inner) => figure(inner, "Input"))),
    make("div", { class: "two" }, figure(two[0], "Left"), figure(two[1], "Right")),
  );
  screen.className = "trial";
  let asked = performance.now();
  if (study.kind === "preference-video") {
    await playInStep([...beside, ...two]);
    asked = performance.now();
  }
  const choice = await chosen(["first", "same", "second"], ["Left", "No difference", "Right"]);
  return { choice, shown: [], flags: [], rt: performance.now() - asked };
}

// Plays clips together, again and again; resolves when they were seen once.
async function playInStep(videos) {
  const master = videos[0];
  const all = () => Promise.all(videos.map((video) => video.play().catch(() => {})));
  const once = new Promise((done) => {
    master.addEventListener("ended", () => {
      done();
      if (!master.isConnected) return;
      for (const video of videos) video.currentTime = 0;
      all();
    });
    master.addEventListener("error", done, { once: true });
  });
  await all();
  await once;
}

function chosen(values, texts) {
  return new Promise((done) => {
    const row = make("div", { class: "choices" });
    const answer = (value) => {
      keys = {};
      done(value);
    };
    values.forEach((value, turn) => {
      row.append(make("button", { type: "button", onclick: () => answer(value) }, t(texts[turn])));
    });
    screen.append(row);
    keys = { ArrowLeft: () => answer("first"), 1: () => answer("first"), ArrowRight: () => answer("second"), 2: () => answer("second") };
    if (values.includes("same")) Object.assign(keys, { ArrowDown: () => answer("same"), 3: () => answer("same") });
  });
}

function say(right, number) {
  return new Promise((done) => {
    const last = number + 1 === study.trials.filter((row) => row.part === "practice").length;
    const go = make("button", { type: "button", class: "primary", autofocus: true, onclick: done }, t(last ? "Begin the study" : "Go on"));
    show(
      make("p", { class: right ? "good" : "bad" }, t(right ? "✓ That was right." : "✗ That was not right.")),
      ...(last ? [make("p", {}, t("The practice is over. From here on you do not see whether you were right."))] : []),
      make("div", { class: "row" }, go),
    );
    keys = { Enter: () => go.click() };
  });
}

// What the server knows of this rater, asked until it answers; null where the part is closed.
async function askServer() {
  for (let pause = 500; ; pause = Math.min(10000, pause * 2)) {
    try {
      const answer = await fetch(`${here}/state`);
      if (answer.status === 403) {
        lost();
        return null;
      }
      if (answer.ok) {
        const known = await answer.json();
        status.textContent = "";
        return known;
      }
    } catch {
      // the server is away: once more
    }
    status.textContent = t(AWAY);
    await wait(pause);
  }
}

async function finish() {
  study = await askServer();
  if (study === null) return;
  if (!study.finished) {
    await run();
    return;
  }
  show(
    make("h1", {}, t("Thank you")),
    make("p", {}, t("Your completion code:"), " ", make("code", { id: "completion" }, study.completion)),
    make("p", {}, t("Your deletion code, should you want your answers deleted later:"), " ", make("code", {}, study.deletion)),
    make("p", { class: "soft" }, t("You can close this page now.")),
    withdrawal(),
  );
}

function withdrawal() {
  const code = make("input", { class: "field", id: "code", maxlength: "16", autocomplete: "off" });
  const said = make("p", { role: "status" });
  const button = make("button", { type: "button" }, t("Delete my answers"));
  button.addEventListener("click", async () => {
    const answer = await post("withdraw", { code: code.value }).catch(() => null);
    if (answer && answer.ok) {
      keep([]);
      closed("Your answers are deleted", "Nothing of them is kept.");
    } else said.textContent = t(answer ? "This code is not right." : "The server does not answer. Try again in a while.");
  });
  return make("details", {},
    make("summary", {}, t("Have your answers deleted")),
    make("p", {}, make("label", { for: "code" }, t("Deletion code"))),
    make("div", { class: "row" }, code, button),
    said,
  );
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  // Enter on a button presses it; nothing else may.
  if (event.key === "Enter" && event.target.matches("button, summary")) return;
  const act = keys[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

async function take() {
  const state = body.dataset.state;
  if (state === "open") welcome();
  else if (state === "withdrawn") closed("Your answers are deleted", "Nothing of them is kept.");
  else if (state === "replaced") closed("This study is closed for you", "You were away for long, and your part was given to somebody else. Your answers until then are kept apart. Thank you.");
  else if (state === "elsewhere" && hasBegunHere()) welcome();
  else if (state === "elsewhere") closed("This invite is in use", "It was begun in another browser. Go on there, or ask for another invite.");
  else {
    study = await askServer();
    if (study === null) return;
    language = study.language || language;
    if (study.finished || study.done.length + unsent().length > 0) run();
    else instructions();
  }
}

take();
