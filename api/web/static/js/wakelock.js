// Keeps the screen on during a call. The browser drops the lock whenever the page is hidden.

export class WakeLock {
  #wanted = false;
  #sentinel = null;

  constructor() {
    document.addEventListener("visibilitychange", () => void this.#take());
  }

  hold() {
    this.#wanted = true;
    return this.#take();
  }

  async release() {
    this.#wanted = false;
    await this.#sentinel?.release();
    this.#sentinel = null;
  }

  get isHeld() {
    return this.#sentinel !== null && !this.#sentinel.released;
  }

  async #take() {
    if (!this.#wanted || this.isHeld || document.hidden || !navigator.wakeLock) return;
    try {
      this.#sentinel = await navigator.wakeLock.request("screen");
    } catch (error) {
      console.info("The screen may turn off during the call:", error);
    }
  }
}
