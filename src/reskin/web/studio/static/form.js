// Fields of settings: what differs from the defaults, what is wrong, and the way back.
import { $, t } from "./dom.js";

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

export function showFault(text) {
  for (const each of document.querySelectorAll(".field .fault")) each.hidden = true;
  for (const input of inputs) input.removeAttribute("aria-invalid");
  $("fault").hidden = true;
  if (!text) return;
  const flag = text.match(/^(--[a-z0-9-]+)/)?.[1];
  const field = flag && document.querySelector(`.field[data-flag="${flag}"]`);
  const at = field ? field.querySelector(".fault") : $("fault");
  at.textContent = text;
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
      input.focus();
      atOnce();
    });
  }
}
