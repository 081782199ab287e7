// The live transcript: what was said, settled words apart from those that may still change.

import { byId, element } from "./element.js";
import { clock } from "./moment.js";

const NEAR_END_PX = 48;

export class Transcript {
  #log = byId("transcript");
  #newest = byId("newest");
  #rows = new Map();
  #tracks = new Set();
  #follows = true;

  constructor() {
    this.#log.addEventListener("scroll", () => this.#scrolled());
    this.#newest.addEventListener("click", () => this.#toEnd());
  }

  clear() {
    this.#rows.clear();
    this.#tracks.clear();
    this.#log.dataset.many = "false";
    this.#log.replaceChildren();
    this.#follows = true;
    this.#newest.hidden = true;
  }

  /** Shows an utterance of the record, as far as it is known. `name`: whoever said it, told once there are two. */
  show(utterance, name) {
    const { committed, tentative, words } = utterance;
    if (!words && !committed && !tentative) return;
    const row = this.#rows.get(utterance.key) ?? this.#add(utterance, name);
    row.time.textContent = clock(utterance.startMs);
    if (row.startMs !== utterance.startMs) this.#place(row, utterance.startMs);
    const settled = words ? words.map(({ text }) => text).join(" ") : committed;
    row.settled.textContent = settled;
    row.gap.data = settled && tentative ? " " : "";
    row.tentative.textContent = words ? "" : tentative;
    // A final may find that nothing was said after all.
    row.line.hidden = !settled && !tentative;
    if (this.#follows) this.#toEnd();
  }

  #add(utterance, name) {
    this.#tracks.add(utterance.track);
    this.#log.dataset.many = String(this.#tracks.size > 1);
    const time = element("time", {});
    const settled = element("span", {});
    const gap = document.createTextNode("");
    const tentative = element("span", { class: "tentative" });
    const line = element(
      "div", { class: "utterance", "data-track": utterance.track },
      time, element("span", { class: "speaker" }, name), element("p", {}, settled, gap, tentative),
    );
    const row = { line, time, settled, gap, tentative, startMs: null };
    this.#rows.set(utterance.key, row);
    this.#place(row, utterance.startMs);
    return row;
  }

  // In the order they began, which is known for sure at the end: two who speak at once are told of in any order.
  #place(row, startMs) {
    row.startMs = startMs;
    let next = null;
    for (const other of this.#rows.values()) {
      if (other !== row && other.startMs > startMs && (next === null || other.startMs < next.startMs)) next = other;
    }
    const before = next?.line ?? null;
    if (!row.line.isConnected || row.line.nextElementSibling !== before) this.#log.insertBefore(row.line, before);
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
