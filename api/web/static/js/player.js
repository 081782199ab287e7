// The recording of a call: plays from any moment, shows where the voice and the tips are.

import { playable, recordingUrl } from "./api.js";
import { byId, element } from "./element.js";
import { notify } from "./notices.js";

const LEAD_IN_S = 0.4;
/** An <audio> may ask for the recording for ten minutes; asked again a little before they are over. */
const ALLOWED_MS = 9 * 60_000;

export class Player {
  #audio = byId("audio");
  #strip = byId("strip");
  #head = element("span", { class: "head" });
  #durationMs = 0;
  #onTime = null;
  #frame = 0;
  #sessionId = null;
  #allowedUntil = 0;

  constructor() {
    this.#strip.addEventListener("click", (event) => {
      const box = this.#strip.getBoundingClientRect();
      this.play((this.#durationMs * (event.clientX - box.left)) / box.width, 0);
    });
    this.#audio.addEventListener("play", () => this.#follow());
    this.#audio.addEventListener("pause", () => cancelAnimationFrame(this.#frame));
    this.#audio.addEventListener("seeked", () => this.#time());
    this.#audio.addEventListener("error", () => void this.#mend());
  }

  /** Loads the recording of session `id`, the call `record`; `onTime(ms)` is told where it plays. */
  load(id, record, durationMs, onTime) {
    this.#durationMs = Math.max(1, durationMs);
    this.#onTime = onTime;
    this.#sessionId = id;
    void this.#open(0);
    byId("player").hidden = false;
    this.#draw(record);
    this.#time();
  }

  unload() {
    this.#sessionId = null;
    this.#allowedUntil = 0;
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    this.#audio.load();
    this.#onTime = null;
    byId("player").hidden = true;
  }

  /** Plays from a little before `ms`. */
  play(ms, leadInS = LEAD_IN_S) {
    if (this.#allowedUntil && performance.now() > this.#allowedUntil) void this.#allow().catch((problem) => console.warn("The recording may not be asked for:", problem));
    this.#audio.currentTime = Math.max(0, ms / 1000 - leadInS);
    this.#audio.play().catch((error) => console.warn("The recording did not play:", error));
  }

  async #allow() {
    await playable(this.#sessionId);
    this.#allowedUntil = performance.now() + ALLOWED_MS;
  }

  async #open(atS) {
    const id = this.#sessionId;
    try {
      await this.#allow();
    } catch (problem) {
      if (id === this.#sessionId) notify("recording", "warn", problem.detail ?? problem.message);
      return;
    }
    if (id !== this.#sessionId) return;
    this.#audio.src = recordingUrl(id);
    if (atS) this.#audio.currentTime = atS;
  }

  // A long pause may have outlasted what was allowed. What else is wrong, asking again does not mend.
  async #mend() {
    if (this.#sessionId && performance.now() > this.#allowedUntil) await this.#open(this.#audio.currentTime);
  }

  #draw(record) {
    const share = (ms) => (Math.max(0, ms) / this.#durationMs).toFixed(5);
    const place = (name, fromMs, toMs = null, data = {}) => {
      const mark = element("span", { class: name, ...data });
      mark.style.setProperty("--from", share(fromMs));
      if (toMs !== null) mark.style.setProperty("--length", share(toMs - fromMs));
      return mark;
    };
    this.#strip.replaceChildren(
      ...record.spoken.filter(({ endMs }) => endMs !== null).map(({ startMs, endMs }) => place("voice", startMs, endMs)),
      ...record.feedback.map(({ atMs, kind }) => place("mark-tip", atMs, null, { "data-kind": kind })),
      ...record.bookmarks.map(({ atMs }) => place("mark-bookmark", atMs)),
      this.#head,
    );
  }

  #follow() {
    cancelAnimationFrame(this.#frame);
    const step = () => {
      this.#time();
      if (!this.#audio.paused) this.#frame = requestAnimationFrame(step);
    };
    step();
  }

  #time() {
    const ms = this.#audio.currentTime * 1000;
    this.#head.style.setProperty("--from", Math.min(1, ms / this.#durationMs).toFixed(5));
    this.#onTime?.(ms);
  }
}
