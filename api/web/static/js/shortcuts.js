// Single-key shortcuts of the call. They can be turned off (WCAG 2.1.4) and never act while someone types or is asked.

import { byId } from "./element.js";
import { recall, remember } from "./preferences.js";

const TYPING = "input:not([type=checkbox], [type=radio]), select, textarea, dialog, [contenteditable]";

export class Shortcuts {
  #actions;
  #active = false;
  #switch = byId("shortcuts-on");

  /** `actions`: {"p": run, "shift+e": run, …}. */
  constructor(actions) {
    this.#actions = actions;
    this.#switch.checked = recall("shortcuts", true);
    this.#switch.addEventListener("change", () => {
      remember("shortcuts", this.#switch.checked);
      this.#show();
    });
    this.#show();
    addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** Shortcuts act only between `start` and `stop`. */
  start() {
    this.#active = true;
  }

  stop() {
    this.#active = false;
  }

  #show() {
    document.body.classList.toggle("shortcuts-off", !this.#switch.checked);
  }

  #pressed(event) {
    if (!this.#active || !this.#switch.checked || event.repeat) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target instanceof Element && event.target.closest(TYPING)) return;
    const run = this.#actions[(event.shiftKey ? "shift+" : "") + event.key.toLowerCase()];
    if (!run) return;
    event.preventDefault();
    run();
  }
}
