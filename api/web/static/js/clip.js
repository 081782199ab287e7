// A moment of a call, played in place: a few seconds before it and after.

import { playable, recordingUrl } from "./api.js";
import { inWords } from "./dialog.js";
import { element, icon, setIcon } from "./element.js";
import { clock } from "./moment.js";
import { text } from "./texts.js";

const BEFORE_MS = 5_000;
const LENGTH_MS = 15_000;

/** What plays just now: one at a time. */
let playing = null;

export class Clip {
  root;
  #audio = element("audio", { preload: "none" });
  #button;
  #sign = icon("play");
  #bar = element("span", { class: "clip-done" });
  #problem = element("p", { class: "error", role: "alert" });
  #sessionId;
  #fromS;
  #toS;
  #frame = 0;
  #name;

  /** 15 s around `atMs` of session `sessionId`; `name` says whose. */
  constructor({ sessionId, atMs, name }) {
    this.#sessionId = sessionId;
    this.#fromS = Math.max(0, atMs - BEFORE_MS) / 1000;
    this.#toS = this.#fromS + LENGTH_MS / 1000;
    this.#name = name;
    this.#button = element("button", { type: "button", class: "clip-button", onclick: () => void this.#pressed() }, this.#sign);
    this.root = element(
      "div", { class: "clip" },
      this.#button,
      element("span", { class: "clip-bar", "aria-hidden": "true" }, this.#bar),
      element("span", { class: "clip-time" }, clock(atMs)),
      this.#audio,
      this.#problem,
    );
    this.#audio.addEventListener("playing", () => this.#follow());
    for (const event of ["pause", "ended"]) this.#audio.addEventListener(event, () => this.#stopped());
    this.#say(false);
  }

  stop() {
    this.#audio.pause();
  }

  async #pressed() {
    if (!this.#audio.paused) { this.stop(); return; }
    if (playing !== this) playing?.stop();
    playing = this;
    this.#problem.textContent = "";
    this.#button.setAttribute("aria-busy", "true");
    try {
      // An <audio> carries no token; what lets it ask is short-lived.
      await playable(this.#sessionId);
      if (!this.#audio.src) this.#audio.src = recordingUrl(this.#sessionId);
      const { currentTime } = this.#audio;
      if (currentTime < this.#fromS || currentTime >= this.#toS) this.#audio.currentTime = this.#fromS;
      await this.#audio.play();
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.#audio.removeAttribute("src");
      this.#problem.textContent = problem.status && problem.status !== 404 ? inWords(problem) : text("page.monday.no_recording");
    } finally {
      this.#button.removeAttribute("aria-busy");
    }
  }

  #follow() {
    this.#say(true);
    cancelAnimationFrame(this.#frame);
    const step = () => {
      const share = (this.#audio.currentTime - this.#fromS) / (this.#toS - this.#fromS);
      this.#bar.style.setProperty("--share", Math.min(1, Math.max(0, share)).toFixed(4));
      if (this.#audio.currentTime >= this.#toS) this.stop();
      else if (!this.#audio.paused) this.#frame = requestAnimationFrame(step);
    };
    step();
  }

  #stopped() {
    cancelAnimationFrame(this.#frame);
    this.#say(false);
  }

  #say(isPlaying) {
    setIcon(this.#sign, isPlaying ? "pause" : "play");
    this.#button.setAttribute("aria-label", text(isPlaying ? "page.monday.pause" : "page.monday.play", { name: this.#name }));
    this.root.dataset.playing = String(isPlaying);
  }
}
