// Fields of settings: what differs from the defaults, what is wrong, and the way back.
import { $, command, post, say, t } from "./dom.js";

const inputs = [...document.querySelectorAll(".field [name]")];

export function settings() {
  const found = {};
  for (const input of inputs) if (input.value.trim() !== input.dataset.default) found[input.name] = input.value.trim();
  return found;
}

export function mark() {
  let count = 0;
  for (const input of inputs) {
    const isChanged = input.value.trim() !== input.dataset.default;
    const field = input.closest(".field");
    field.classList.toggle("changed", isChanged);
    field.querySelector(".reset").hidden = !isChanged;
    count += isChanged ? 1 : 0;
  }
  $("changed").textContent = count ? t("{count} {count|setting is|settings are} changed.", { count }) : t("No setting is changed.");
}

export function showFault(text, lang = "en") {
  for (const each of document.querySelectorAll(".field .fault")) each.hidden = true;
  for (const input of inputs) input.removeAttribute("aria-invalid");
  $("fault").hidden = true;
  if (!text) return;
  const flag = text.match(/^(--[a-z0-9-]+)/)?.[1];
  const field = flag && document.querySelector(`.field[data-flag="${flag}"]`);
  const at = field ? field.querySelector(".fault") : $("fault");
  at.textContent = text;
  at.lang = lang;
  at.hidden = false;
  if (field) {
    field.querySelector("[name]").setAttribute("aria-invalid", "true");
    field.closest("details")?.setAttribute("open", "");
  }
}

export function onSetting(changed, atOnce) {
  for (const input of inputs) input.addEventListener("input", changed);
  for (const button of document.querySelectorAll(".field .reset")) {
    button.addEventListener("click", () => {
      const input = button.closest(".field").querySelector("[name]");
      input.value = input.dataset.default;
      input.dispatchEvent(new Event("change"));
      (input.type === "hidden" ? button.closest(".field").querySelector("select") : input).focus();
      atOnce();
    });
  }
}

// The command that a form stands for, asked for as one types, and the order to run it.
// values: what is filled in; isReady: whether enough is; buttons: ids of those that need a sound command;
// ordered: what to do with the job that was queued.
export function ordering({ values, isReady = () => true, buttons, ordered = (job) => location.assign(`/jobs/${job.id}`) }) {
  let timer = 0, asked = 0;

  function enable(isSound) {
    for (const id of buttons) if ($(id)) $(id).disabled = !isSound;
  }

  function showCommand(text) {
    $("command").replaceChildren(...command(text || "–"));
    document.querySelector('[data-copies="command"]').disabled = !text;
  }

  async function check() {
    mark();
    const number = ++asked;
    if (!isReady()) {
      showCommand("");
      showFault("");
      enable(false);
      return;
    }
    try {
      const found = await post("/api/commands", values());
      if (number !== asked) return;
      showCommand(found.command);
      showFault(found.fault);
      enable(!found.fault);
    } catch (error) {
      if (number !== asked) return;
      showFault(error.message, error.lang);
      enable(false);
    }
  }

  function soon() { clearTimeout(timer); asked += 1; enable(false); mark(); timer = setTimeout(check, 250); }

  async function order(event) {
    event.preventDefault();
    if ($("order").disabled) return;
    enable(false);
    try {
      ordered(await post("/api/jobs", values()));
    } catch (error) { showFault(error.message, error.lang); say(error.message); enable(true); }
  }

  return { check, soon, order, enable };
}
