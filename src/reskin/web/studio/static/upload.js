// Files in pieces: what was cut goes on where it was, also after the page was loaded again.
import { $, make, post, Refused, showError, t } from "./dom.js";
import { loadAgain } from "./live.js";

const PIECE = 4 * 1024 * 1024, TRIES = 60;

async function piece(id, at, part) {
  const response = await fetch(`/api/uploads/${id}?at=${at}`, {
    method: "POST", credentials: "same-origin", headers: { "content-type": "application/octet-stream" }, body: part,
  });
  const said = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, said?.error ?? { what: t("This did not work ({status}).", { status: response.status }) });
  return said;
}

async function send(file) {
  const bar = make("progress", { max: "1", value: "0", "aria-label": file.name }), said = make("span", { class: "soft" });
  const row = make("li", {}, make("b", {}, file.name), " ", said, bar);
  $("uploads").append(row);
  let failed = 0;
  while (failed < TRIES) {
    try {
      let { id, at } = await post("/api/uploads", { name: file.name, size: file.size });
      let made = "";
      while (!made) {
        const found = await piece(id, at, file.slice(at, at + PIECE));
        ({ at, made } = found);
        failed = 0;
        bar.value = at / file.size;
        said.textContent = `${Math.floor(100 * at / file.size)} %`;
      }
      said.textContent = t("done");
      return true;
    } catch (error) {
      // Without an answer, or with one that says where it goes on, it is tried again from what is there.
      const isFinal = Boolean(error.status) && ![408, 409, 500, 503].includes(error.status);
      if (isFinal) showError(said, error);
      else said.textContent = t("cut; going on …");
      said.className = isFinal ? "bad" : "warn";
      if (isFinal) return false;
      failed += 1;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
  said.textContent = t("Cut. Choose the same file again: it goes on where it was.");
  return false;
}

async function all(files) {
  let count = 0;
  for (const file of files) count += await send(file) ? 1 : 0;
  if (count === files.length && count) loadAgain();
}

$("files").addEventListener("change", () => all([...$("files").files]));
for (const name of ["dragover", "drop"]) $("drop").addEventListener(name, (event) => event.preventDefault());
$("drop").addEventListener("drop", (event) => all([...event.dataTransfer.files]));
