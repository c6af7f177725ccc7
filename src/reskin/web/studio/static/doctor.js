// Lets `reskin doctor` look.
import { $, post, showError, t } from "./dom.js";
import { loadAgain } from "./live.js";

$("check").addEventListener("click", async () => {
  $("check").disabled = true;
  $("checking").textContent = t("Looking …");
  try {
    await post("/api/doctor");
    loadAgain();
  } catch (error) { showError($("checking"), error); $("check").disabled = false; }
});
