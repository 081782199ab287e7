// The live transcript: what was said, settled words apart from those that may still change.

import { byId, element } from "./element.js";
import { clock } from "./moment.js";

const NEAR_END_PX = 48;

export class Transcript {
  #log = byId("transcript");
  #newest = byId("newest");
  #rows = new Map();
  #follows = true;

  constructor() {
    this.#log.addEventListener("scroll", () => this.#scrolled());
    this.#newest.addEventListener("click", () => this.#toEnd());
  }

  clear() {
    this.#rows.clear();
    this.#log.replaceChildren();
    this.#follows = true;
    this.#newest.hidden = true;
  }

  /** Shows an utterance of the record, as far as it is known. */
  show(utterance) {
    const { committed, tentative, words } = utterance;
    if (!words && !committed && !tentative) return;
    const row = this.#rows.get(utterance.id) ?? this.#add(utterance);
    row.time.textContent = clock(utterance.startMs);
    const settled = words ? words.map(({ text }) => text).join(" ") : committed;
    row.settled.textContent = settled;
    row.gap.data = settled && tentative ? " " : "";
    row.tentative.textContent = words ? "" : tentative;
    // A final may find that nothing was said after all.
    row.line.hidden = !settled && !tentative;
    if (this.#follows) this.#toEnd();
  }

  #add(utterance) {
    const time = element("time", {});
    const settled = element("span", {});
    const gap = document.createTextNode("");
    const tentative = element("span", { class: "tentative" });
    const line = element("div", { class: "utterance" }, time, element("p", {}, settled, gap, tentative));
    this.#rows.set(utterance.id, { line, time, settled, gap, tentative });
    this.#log.append(line);
    return this.#rows.get(utterance.id);
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    this.#newest.hidden = this.#follows;
  }

  #toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }
}
