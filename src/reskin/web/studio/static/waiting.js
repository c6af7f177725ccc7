// Loads the page again until it is there.
import { loadAgain } from "./live.js";

setTimeout(loadAgain, 1500);
