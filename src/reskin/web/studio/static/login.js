// Takes the token out of the address, sends it once, and goes on.
import { $, get, post, showError } from "./dom.js";

const token = location.hash.slice(1);
history.replaceState(null, "", "/login");

function shut(why) {
  $("waiting").hidden = true;
  $("shut").hidden = false;
  if (why) showError($("why"), why);
}

async function begin() {
  try {
    if (token) await post("/login", { token });
    else await get("/api/live"); // a cookie may be there that the browser did not send with the first request
    location.replace("/");
  } catch (error) {
    // A second tab of the same link: the cookie is there already.
    if (token) { try { await get("/api/live"); location.replace("/"); return; } catch { /* it is not */ } }
    shut(token ? error : null);
  }
}
begin();
