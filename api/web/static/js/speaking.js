// How a listener takes part: heard by nobody, by the trainee alone, or by all. One step after the other, whatever is asked for meanwhile.

const NAP_MS = 20_000;

/** Events: `mode` (the mode is another one), `refused` (`detail`: why it is not; a sentence in `detail` or `message`). */
export class Speaking extends EventTarget {
  #listening;
  #microphone;
  #ask;
  #mode = "monitor";
  #wanted = "monitor";
  #running = null;
  #consent = null;
  #nap = 0;

  /** `ask()` (async): what somebody agrees to who is going to be recorded ({textVersion}), or null. */
  constructor(listening, microphone, ask) {
    super();
    this.#listening = listening;
    this.#microphone = microphone;
    this.#ask = ask;
    microphone.addEventListener("changed", this.#changed);
    microphone.addEventListener("lost", this.#lost);
  }

  get mode() {
    return this.#mode;
  }

  /** Takes part as `mode` says, once the steps that are under way are done. */
  want(mode) {
    this.#wanted = mode;
    this.#running ??= this.#run().finally(() => { this.#running = null; });
    return this.#running;
  }

  /** The connection is a new one, in which one is a monitor. */
  reset() {
    const was = this.#mode;
    this.#mode = "monitor";
    this.#wanted = "monitor";
    this.#rest();
    if (was !== "monitor") this.#tell("mode", { was });
  }

  /** Gives the microphone back; nothing is told any more. */
  stop() {
    clearTimeout(this.#nap);
    this.#microphone.removeEventListener("changed", this.#changed);
    this.#microphone.removeEventListener("lost", this.#lost);
    this.#microphone.close();
  }

  async #run() {
    while (this.#wanted !== this.#mode) {
      const mode = this.#wanted;
      try {
        if (mode === "monitor") await this.#hush();
        else await this.#speak(mode);
      } catch (problem) {
        this.#wanted = this.#mode;
        this.#tell("refused", problem);
      }
    }
    if (this.#mode === "monitor") this.#rest();
  }

  async #speak(mode) {
    clearTimeout(this.#nap);
    if (!this.#microphone.isOpen) await this.#microphone.open();
    if (this.#wanted !== mode) return;
    if (!(await this.#switched(mode))) {
      this.#wanted = this.#mode;
      return;
    }
    // Only now: what nobody is to hear does not leave this device.
    await this.#listening.replaceTrack(this.#microphone.track);
    this.#enter(mode);
  }

  async #hush() {
    await this.#listening.replaceTrack(null);
    await this.#listening.switch("monitor", null);
    this.#enter("monitor");
  }

  async #switched(mode) {
    try {
      await this.#listening.switch(mode, this.#consent);
    } catch (problem) {
      if (problem.code !== "consent_needed") throw problem;
      this.#consent = await this.#ask();
      if (!this.#consent) return false;
      await this.#listening.switch(mode, this.#consent);
    }
    return true;
  }

  #enter(mode) {
    const was = this.#mode;
    this.#mode = mode;
    this.#tell("mode", { was });
  }

  // Whoever whispers a word now and then does not wait for the device each time; later it is given back.
  #rest() {
    clearTimeout(this.#nap);
    this.#nap = setTimeout(() => this.#microphone.close(), NAP_MS);
  }

  #changed = () => {
    if (this.#mode !== "monitor") void this.#listening.replaceTrack(this.#microphone.track);
  };

  #lost = ({ problem }) => {
    if (this.#mode === "monitor") return;
    this.#tell("refused", problem);
    void this.want("monitor");
  };

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
