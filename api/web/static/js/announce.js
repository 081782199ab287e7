// One polite live region for the whole page. Few things are said: tips, changes of the call's state.

import { byId } from "./element.js";

const CLEAR_AFTER_MS = 6000;
let clearing = 0;

/** Has a screen reader say `text` when it is free. The newest text replaces one not yet said. */
export function announce(text) {
  const region = byId("announcer");
  clearTimeout(clearing);
  region.textContent = "";
  // Emptied and filled in one task, the same sentence twice would be no change and stay unsaid.
  requestAnimationFrame(() => { region.textContent = text; });
  clearing = setTimeout(() => { region.textContent = ""; }, CLEAR_AFTER_MS);
}
