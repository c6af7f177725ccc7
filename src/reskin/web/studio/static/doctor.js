// Lets `reskin doctor` look.
import { $, post, t } from "./dom.js";

$("check").addEventListener("click", async () => {
  $("check").disabled = true;
  $("checking").textContent = t("Looking …");
  try {
    await post("/api/doctor");
    location.reload();
  } catch (error) { $("checking").textContent = error.message; $("check").disabled = false; }
});
