// Renaming what lies in the folder, putting it away, and bringing it back.
import { $, post, say, showError } from "./dom.js";

let item = null;

function fail(error) {
  showError($("own-fault"), error);
  $("own-fault").hidden = false;
  say(error.message);
}

function then(row, id) {
  if (row?.dataset.then && id) location.assign(`${location.pathname.replace(/[^/]+$/, "")}${id}`);
  else if (row?.dataset.then) location.assign(row.dataset.then);
  else location.reload();
}

async function putAway(row) {
  try {
    await post(`/api/own/${row.dataset.item}/trash`);
    then(row, "");
  } catch (error) { fail(error); }
}

function ask(row) {
  item = row;
  $("rename-what").textContent = row.dataset.name;
  $("rename-to").value = row.dataset.name.split("/").at(-1).replace(/\.[^.]+$/, "");
  $("rename-fault").hidden = true;
  $("rename").showModal();
  $("rename-to").select();
}

$("rename-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const found = await post(`/api/own/${item.dataset.item}/rename`, { name: $("rename-to").value.trim() });
    then(item, found.id);
  } catch (error) {
    showError($("rename-fault"), error);
    $("rename-fault").hidden = false;
  }
});
$("rename-close").addEventListener("click", () => $("rename").close());
for (const button of document.querySelectorAll("[data-own]")) {
  button.addEventListener("click", () => (button.dataset.own === "trash" ? putAway : ask)(button.closest(".own")));
}
for (const button of document.querySelectorAll("[data-restore]")) {
  button.addEventListener("click", async () => {
    try {
      await post(`/api/trash/${button.dataset.restore}`);
      location.reload();
    } catch (error) { fail(error); }
  });
}
