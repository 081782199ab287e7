// How loud one's own microphone is, while it is open.

import { byId } from "./element.js";
import { Tap, levelDbfs } from "./tap.js";
import { write } from "./texts.js";

const LOWEST_DBFS = -65;
const SHOWN_EVERY_MS = 60;

export class OwnLevel {
  #root;
  #bar;
  #text;
  #off;
  #microphone;
  #tap = null;
  #stream = null;
  #shownAt = 0;

  /** Shown in the element `id`; `off` is the key of what is said while there is no microphone. */
  constructor(microphone, id, off) {
    this.#root = byId(id);
    this.#bar = this.#root.querySelector(".level span");
    this.#text = byId(`${id}-text`);
    this.#off = off;
    this.#microphone = microphone;
    microphone.addEventListener("changed", () => void this.#follow());
    microphone.addEventListener("closed", () => void this.#follow());
    microphone.addEventListener("lost", () => void this.#follow());
  }

  /** Says of the microphone what the key `said` means: who hears it. */
  say(said) {
    write(this.#text, said);
  }

  async #follow() {
    const { stream } = this.#microphone;
    if (stream === this.#stream) return;
    this.#stream = stream;
    const before = this.#tap;
    this.#tap = null;
    this.#show(0);
    await before?.close();
    this.#root.dataset.open = String(stream !== null);
    if (!stream) {
      this.say(this.#off);
      return;
    }
    try {
      const tap = await Tap.open(stream, (block) => this.#level(block));
      if (stream === this.#stream) this.#tap = tap;
      else await tap.close();
    } catch (error) {
      console.info("The level of the microphone cannot be shown:", error);
    }
  }

  #level(block) {
    const now = performance.now();
    if (now - this.#shownAt < SHOWN_EVERY_MS) return;
    this.#shownAt = now;
    this.#show(1 - levelDbfs(block) / LOWEST_DBFS);
  }

  #show(share) {
    this.#bar.style.setProperty("--value", Math.max(0, Math.min(1, share)).toFixed(3));
  }
}
