// The switch between monitor, whisper and barge, with a button and the space bar to hold for a whisper.

import { byId, element, icon } from "./element.js";
import { text, write } from "./texts.js";

const MODES = [["monitor", "headphones"], ["whisper", "whisper"], ["barge", "megaphone"]];
/** What the space bar does something with by itself. */
const TAKES_SPACE = "a, button, input, select, textarea, summary, dialog, audio, [contenteditable], [role=log]";

export class Modes {
  #root = byId("modes");
  #hold = byId("hold");
  #want;
  #mode = "monitor";
  #isHeld = false;
  #isOn = false;

  /** `want(mode)` is called with what is chosen; `mayUseKeys()` says whether the space bar counts. */
  constructor(want, mayUseKeys) {
    this.#want = want;
    this.#root.addEventListener("keydown", (event) => this.#move(event));
    this.#hold.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.#hold.setPointerCapture(event.pointerId);
      this.#down();
    });
    for (const ends of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) this.#hold.addEventListener(ends, () => this.#up());
    this.#hold.addEventListener("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      if (!event.repeat) this.#down();
    });
    this.#hold.addEventListener("contextmenu", (event) => event.preventDefault());
    addEventListener("keydown", (event) => {
      const isFree = event.target instanceof Element && !event.target.closest(TAKES_SPACE);
      if (event.key !== " " || !this.#isOn || !isFree || !mayUseKeys() || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      if (!event.repeat) this.#down();
    });
    // What was pressed by a pointer would keep the focus, and do it again at the next space.
    byId("live").addEventListener("click", ({ detail, target }) => { if (detail && target.closest("button")) document.activeElement.blur(); });
    addEventListener("keyup", ({ key }) => { if (key === " " || key === "Enter") this.#up(); });
    addEventListener("blur", () => this.#up());
    document.addEventListener("visibilitychange", () => this.#up());
  }

  /** Offers the modes to somebody who listens to `trainee`. */
  offer(trainee) {
    this.#root.replaceChildren(...MODES.map(([mode, symbol]) => element(
      "button", { type: "button", role: "radio", class: "mode", "data-mode": mode, onclick: () => this.#want(mode) },
      icon(symbol),
      element("span", { class: "mode-name" }, text(`page.modes.${mode}`)),
      element("span", { class: "mode-note" }, text(`page.modes.${mode}_note`, { trainee })),
    )));
    this.show("monitor");
  }

  /** Whether there is a connection over which one could speak. */
  enable(isOn) {
    this.#isOn = isOn;
    if (!isOn) this.#up();
    this.#hold.disabled = !isOn;
    for (const radio of this.#root.children) radio.disabled = !isOn;
  }

  /** Shows the mode that there is. */
  show(mode) {
    this.#mode = mode;
    for (const radio of this.#root.children) {
      const isChosen = radio.dataset.mode === mode;
      radio.setAttribute("aria-checked", String(isChosen));
      radio.tabIndex = isChosen ? 0 : -1;
    }
    this.#hold.setAttribute("aria-pressed", String(this.#isHeld && mode === "whisper"));
    write(byId("hold-text"), this.#isHeld && mode === "whisper" ? "page.modes.held" : "page.modes.hold");
  }

  #down() {
    if (this.#isHeld || !this.#isOn || this.#mode !== "monitor") return;
    this.#isHeld = true;
    this.#want("whisper");
  }

  #up() {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#want("monitor");
  }

  // The arrows move, and do not choose: nobody is to be heard by all because they were on their way elsewhere.
  #move(event) {
    const radios = [...this.#root.children];
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = radios.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    radios[(at + step + radios.length) % radios.length].focus();
  }
}
