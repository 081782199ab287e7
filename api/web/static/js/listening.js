// Listening to one session, over as many peer connections as the network makes necessary.

import { Problem, events } from "./api.js";
import { Listener } from "./listener.js";

const PING_MS = 1000;
const SILENT_MS = 4000;
const RECOVER_MS = 60_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000;
const DISCONNECTED_GRACE_MS = 2000;

/**
 * Events: `state` (`detail`: {state, problem}; states: connecting, waiting for the call to begin, live,
 * reconnecting, ended, lost; told again with a problem that may pass), `stream` (`detail`: a MediaStream to play), `event` (`detail`: a journalled
 * envelope, each once and in order of seq, from the call's first), `meters` (`detail`: an envelope).
 */
export class Listening extends EventTarget {
  #sessionId;
  #whepUrl;
  #listener = null;
  #state = "connecting";
  #lastSeq = 0;
  #held = [];
  #heard = { bytes: 0, at: 0 };
  #ping = 0;
  #grace = 0;
  #retryNow = null;

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
    addEventListener("online", this.#online);
    this.#ping = setInterval(() => void this.#beat(), PING_MS);
    void this.#connect();
  }

  /** Stops listening; nothing is told any more. */
  stop() {
    this.#finish("stopped");
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
      if (refusal?.status === 404 || (refusal?.status === 409 && refusal.retryAfterS === null)) break;
      if (refusal?.status === 409 && this.#isTrying) this.#enter("waiting");
      else if (refusal && this.#isTrying) this.#tell("state", { state: this.#state, problem: refusal });
      await this.#pauseBeforeRetry(refusal?.retryAfterS ? refusal.retryAfterS * 1000 : wait);
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
    if (!this.#isTrying) { listener.leave(); return; }
    // What the new channel brings waits for what was missed: its higher numbers would hide the lower ones.
    this.#held = [];
    this.#listener = listener;
    this.#heard = { bytes: 0, at: performance.now() };
    listener.addEventListener("message", ({ detail }) => this.#receive(detail));
    listener.addEventListener("connection", ({ detail }) => this.#connection(listener, detail));
    listener.addEventListener("closed", () => this.#broken(listener));
    this.#tell("stream", listener.stream);
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

  // Browsers take 5 s and more to call a connection disconnected; a ping unanswered tells sooner.
  async #beat() {
    const listener = this.#listener;
    if (!listener) return;
    listener.ping();
    const bytes = await listener.receivedBytes();
    const now = performance.now();
    if (bytes !== this.#heard.bytes) this.#heard = { bytes, at: now };
    else if (now - this.#heard.at > SILENT_MS) this.#broken(listener);
  }

  #connection(listener, iceState) {
    if (listener !== this.#listener) return;
    clearTimeout(this.#grace);
    if (iceState === "failed") this.#broken(listener);
    if (iceState === "disconnected") this.#grace = setTimeout(() => this.#broken(listener), DISCONNECTED_GRACE_MS);
  }

  #broken(listener) {
    if (listener !== this.#listener) return;
    this.#listener = null;
    listener.leave();
    this.#enter("reconnecting");
    void this.#connect();
  }

  #pauseBeforeRetry(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#retryNow = () => { clearTimeout(timer); resolve(); };
    });
  }

  #online = () => this.#retryNow?.();

  #enter(state, problem = null) {
    if (this.#state === state) return;
    this.#state = state;
    this.#tell("state", { state, problem });
  }

  #finish(state, problem = null) {
    if (["stopped", "ended", "lost"].includes(this.#state)) return;
    clearInterval(this.#ping);
    clearTimeout(this.#grace);
    removeEventListener("online", this.#online);
    const listener = this.#listener;
    this.#listener = null;
    listener?.leave();
    this.#enter(state, problem);
    this.#retryNow?.();
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
