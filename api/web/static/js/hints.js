// What a listener says without a word: stamps, a bookmark, a short note. The node keeps them and tells them at once.

import { annotate } from "./api.js";
import { stampName } from "./coach-says.js";
import { byId, element, icon } from "./element.js";
import { clock } from "./moment.js";
import { STAMPS } from "./stamps.js";
import { text, write } from "./texts.js";

const SENT_MS = 1500;

export class Hints {
  #now;
  #sessionId = null;
  #said = byId("hints-said");
  #note = byId("note");
  #isSending = false;

  /** `now()`: the call's time in ms. */
  constructor(now) {
    this.#now = now;
    byId("note-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    this.#note.addEventListener("keydown", ({ key }) => { if (key === "Escape") byId("live-title").focus(); });
  }

  /** What each key does. */
  get keys() {
    return {
      ...Object.fromEntries(STAMPS.map(([stamp], at) => [String(at + 1), () => void this.#stamp(stamp)])),
      b: () => void this.#bookmark(),
      n: () => this.#note.focus(),
    };
  }

  /** Offers everything for the call of session `sessionId`. */
  start(sessionId) {
    this.#sessionId = sessionId;
    this.#note.value = "";
    this.#tell("", text("page.hints.lead"));
    const button = (id, key, symbol, name, run) => element(
      "button", { type: "button", id, "aria-keyshortcuts": key, onclick: run }, icon(symbol), element("span", {}, name), element("kbd", { "aria-hidden": "true" }, key));
    byId("stamps").replaceChildren(
      ...STAMPS.map(([stamp, symbol], at) => button(`stamp-${stamp}`, String(at + 1), symbol, stampName(stamp), () => void this.#stamp(stamp))),
      button("bookmark", "B", "bookmark", text("page.controls.bookmark"), () => void this.#bookmark()),
    );
    this.#note.placeholder = text("page.hints.note");
    write(byId("note-send").querySelector("span"), "page.hints.send");
  }

  async #stamp(stamp) {
    const said = text("page.hints.sent", { what: stampName(stamp) });
    if (await this.#post({ kind: "stamp", stamp }, said)) flash(byId(`stamp-${stamp}`));
  }

  async #bookmark() {
    if (await this.#post({ kind: "bookmark" }, text("page.hints.bookmarked", { time: clock(this.#now()) }))) flash(byId("bookmark"));
  }

  async #send() {
    const words = this.#note.value.trim();
    if (!words || this.#isSending) return;
    this.#isSending = true;
    if (await this.#post({ kind: "note", text: words }, text("page.hints.note_sent")) && this.#note.value.trim() === words) this.#note.value = "";
    this.#isSending = false;
  }

  async #post(said, done) {
    try {
      await annotate(this.#sessionId, { ...said, atMs: Math.round(this.#now()) });
    } catch (problem) {
      this.#tell("bad", problem.detail ?? problem.message);
      return false;
    }
    this.#tell("good", done);
    return true;
  }

  #tell(tone, words) {
    this.#said.dataset.tone = tone;
    delete this.#said.dataset.text;
    this.#said.textContent = words;
  }
}

function flash(button) {
  button.classList.add("sent");
  setTimeout(() => button.classList.remove("sent"), SENT_MS);
}
