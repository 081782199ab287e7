// Where files are chosen, or dragged to.

import { element } from "./element.js";
import { written } from "./form.js";

/**
 * `accept` and `isMany` as of <input type="file">; `hint` and `action` are keys of texts; `chosen(files)` is told of
 * each choice.
 */
export class Drop {
  #input;
  #button;

  constructor({ id, accept, isMany = false, hint, action, chosen }) {
    this.#input = element("input", { type: "file", id: `${id}-input`, accept, multiple: isMany, hidden: true, "aria-hidden": "true", tabindex: "-1" });
    this.#button = written("button", action, { type: "button", id: `${id}-choose`, "aria-describedby": `${id}-hint`, onclick: () => this.#input.click() });
    this.root = element("div", { class: "drop", id }, written("p", hint, { id: `${id}-hint` }), this.#button, this.#input);
    this.#input.addEventListener("change", () => {
      const files = [...this.#input.files];
      // The same file may be chosen again.
      this.#input.value = "";
      if (files.length) chosen(files);
    });
    for (const name of ["dragenter", "dragover"]) {
      this.root.addEventListener(name, (event) => {
        event.preventDefault();
        this.root.dataset.over = "true";
      });
    }
    this.root.addEventListener("dragleave", ({ relatedTarget }) => { if (!this.root.contains(relatedTarget)) this.#left(); });
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#left();
      const files = [...event.dataTransfer.files];
      if (files.length) chosen(isMany ? files : files.slice(0, 1));
    });
  }

  focus() {
    this.#button.focus();
  }

  #left() {
    delete this.root.dataset.over;
  }
}

// What misses its place must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
