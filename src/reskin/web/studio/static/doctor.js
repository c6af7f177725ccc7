// Lets `reskin doctor` look.
import { $, post, showError, t } from "./dom.js";

$("check").addEventListener("click", async () => {
  $("check").disabled = true;
  $("checking").textContent = t("Looking …");
  try {
    await post("/api/doctor");
    location.reload();
  } catch (error) { showError($("checking"), error); $("check").disabled = false; }
});
