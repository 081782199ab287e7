// A part of the call page that can be hidden; the page remembers it.

import { setIcon } from "./element.js";
import { recall, remember } from "./preferences.js";
import { write } from "./texts.js";

export class Panel {
  #name;
  #button;
  #body;
  #changed;

  /** `changed(isShown)` is told of every change and of the remembered state at the start. */
  constructor(name, button, body, changed) {
    this.#name = name;
    this.#button = button;
    this.#body = body;
    this.#changed = changed;
    button.addEventListener("click", () => this.toggle());
    this.#show(recall(`shows-${name}`, true));
  }

  toggle() {
    const shown = this.#body.hidden;
    remember(`shows-${this.#name}`, shown);
    this.#show(shown);
  }

  #show(shown) {
    this.#body.hidden = !shown;
    this.#button.setAttribute("aria-expanded", String(shown));
    write(this.#button.querySelector("span"), shown ? "page.hide" : "page.show");
    setIcon(this.#button.querySelector("svg"), shown ? "eye-off" : "eye");
    this.#changed?.(shown);
  }
}
