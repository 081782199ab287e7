// Listening to one session, over as many peer connections as the network makes necessary.

import { Problem, events } from "./api.js";
import { Listener } from "./listener.js";
import { text } from "./texts.js";
import { FIRST_WAIT_MS, LONGEST_WAIT_MS, RECOVER_MS, Vigil, Wait } from "./vigil.js";

/**
 * Events: `state` (`detail`: {state, problem}; states: connecting, waiting for the call to begin, live, reconnecting,
 * ended, lost; told again with a problem that may pass), `tracks` (`detail`: the tracks to play; for each connection,
 * in which one begins as a monitor), `event` (`detail`: a journalled envelope, each once and in order of seq, from the
 * call's first), `meters` (`detail`: an envelope).
 */
export class Listening extends EventTarget {
  #sessionId;
  #whepUrl;
  #listener = null;
  #state = "connecting";
  #lastSeq = 0;
  #held = [];
  #vigil = null;
  #wait = new Wait();

  constructor(sessionId) {
    super();
    this.#sessionId = sessionId;
    this.#whepUrl = `/api/v1/sessions/${encodeURIComponent(sessionId)}/whep`;
  }

  get state() {
    return this.#state;
  }

  /** Connects, and goes on until the call is over, cannot be heard any more, or `stop` is called. */
  start() {
    void this.#connect();
  }

  /** Stops listening; nothing is told any more. */
  stop() {
    this.#finish("stopped");
  }

  /** Takes part as `mode` says; `consent` as of api.js. Throws a Problem, or an Error while there is no connection. */
  async switch(mode, consent) {
    if (!this.#listener) throw new Error(text("page.modes.unconnected"));
    await this.#listener.switch(mode, consent);
  }

  /** Sends `track` from now on, nothing with null. */
  async replaceTrack(track) {
    await this.#listener?.replaceTrack(track);
  }

  async #connect() {
    const giveUpAt = performance.now() + RECOVER_MS;
    let wait = FIRST_WAIT_MS;
    let problem = null;
    while (this.#isTrying && (this.#state === "waiting" || performance.now() < giveUpAt)) {
      try {
        await this.#take(await Listener.open(this.#whepUrl));
        return;
      } catch (error) {
        problem = error;
      }
      const refusal = problem instanceof Problem ? problem : null;
      if (refusal?.status === 403 || refusal?.status === 404 || (refusal?.status === 409 && refusal.retryAfterS === null)) break;
      if (refusal?.status === 409 && this.#isTrying) this.#enter("waiting");
      else if (refusal && this.#isTrying) this.#tell("state", { state: this.#state, problem: refusal });
      await this.#wait.for(refusal?.retryAfterS ? refusal.retryAfterS * 1000 : wait);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
    if (!this.#isTrying) return;
    const isOver = problem?.status === 409 && problem.retryAfterS === null;
    this.#finish(isOver ? "ended" : "lost", problem);
  }

  get #isTrying() {
    return ["connecting", "waiting", "reconnecting"].includes(this.#state);
  }

  async #take(listener) {
    if (!this.#isTrying) { listener.close(); return; }
    // What the new channel brings waits for what was missed: its higher numbers would hide the lower ones.
    this.#held = [];
    this.#listener = listener;
    this.#vigil = new Vigil(listener, () => this.#broken());
    listener.addEventListener("message", ({ detail }) => this.#receive(detail));
    this.#tell("tracks", listener.tracks);
    this.#enter("live");
    const missed = await events(this.#sessionId, this.#lastSeq).catch((error) => {
      console.warn("What was said before could not be fetched:", error);
      return [];
    });
    if (listener !== this.#listener) return;
    const newer = this.#held;
    this.#held = null;
    for (const envelope of [...missed, ...newer]) this.#receive(envelope);
  }

  #receive(envelope) {
    if (envelope.type === "meters") {
      this.#tell("meters", envelope);
      return;
    }
    if (this.#held) {
      this.#held.push(envelope);
      return;
    }
    if (envelope.seq <= this.#lastSeq) return;
    this.#lastSeq = envelope.seq;
    this.#tell("event", envelope);
    if (envelope.type === "session.state" && envelope.data.state === "completed") this.#finish("ended");
  }

  #broken() {
    this.#drop();
    this.#enter("reconnecting");
    void this.#connect();
  }

  #drop() {
    this.#vigil?.stop();
    const listener = this.#listener;
    this.#listener = null;
    listener?.close();
  }

  #enter(state, problem = null) {
    if (this.#state === state) return;
    this.#state = state;
    this.#tell("state", { state, problem });
  }

  #finish(state, problem = null) {
    if (["stopped", "ended", "lost"].includes(this.#state)) return;
    this.#drop();
    this.#enter(state, problem);
    this.#wait.stop();
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
