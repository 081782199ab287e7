// A call: one person's part in a session, kept up over as many peer connections as the network makes necessary.

import { Problem, events } from "./api.js";
import { Blocked } from "./peer.js";
import { Publication } from "./publication.js";
import { SocketPublication } from "./socket.js";
import { FIRST_WAIT_MS, LONGEST_WAIT_MS, RECOVER_MS, Vigil, Wait } from "./vigil.js";

const END_WAIT_MS = 5000;
const FINAL_STATUSES = new Set([401, 403, 404, 409, 410]);

/**
 * Events: `state` (`detail`: connecting, live, reconnecting, ended or lost; with `problem` when one is known),
 * `event` (`detail`: a journalled envelope, each once and in order of seq), `meters` (`detail`: an envelope),
 * `tracks` (`detail`: the tracks to play, for each connection),
 * `slow` (WebRTC does not get through, a WebSocket is used), `dropped` (`detail`: seconds of sound it left out).
 */
export class Call extends EventTarget {
  #session;
  #microphone;
  #isGuest;
  #publication = null;
  #state = "connecting";
  #paused = false;
  #lastSeq = 0;
  #held = null;
  #announced;
  #vigil = null;
  #wait = new Wait();
  #isBlocked = false;
  #ended;
  #resolveEnded;

  /** `isGuest`: a partner, whose leaving does not end the call. */
  constructor(session, microphone, { isGuest = false } = {}) {
    super();
    this.#session = session;
    this.#isGuest = isGuest;
    this.#microphone = microphone;
    this.#announced = microphone.track;
    this.#ended = new Promise((resolve) => { this.#resolveEnded = resolve; });
    microphone.addEventListener("changed", this.#microphoneChanged);
  }

  get state() {
    return this.#state;
  }

  get isPaused() {
    return this.#paused;
  }

  /** Publishes. Throws a Problem or an Error with a sentence for the person; the call is over then. */
  async start() {
    try {
      // A guest has no right to the session but by the token.
      this.#take(await this.#publish(this.#isGuest));
    } catch (error) {
      this.#finish("lost");
      throw error;
    }
    this.#enter("live");
  }

  /** Stops listening. The command goes first, so that the node knows why silence follows. */
  pause() {
    this.#paused = true;
    this.#publication?.send({ type: "pause" });
    this.#applyPause();
  }

  resume() {
    this.#paused = false;
    this.#applyPause();
    this.#publication?.send({ type: "resume" });
  }

  /** Flags this moment; false when the node cannot be told now. */
  bookmark(label = "") {
    return this.#publication?.send({ type: "bookmark", label }) ?? false;
  }

  /** Ends the call (a guest leaves it): asks over the channel, then, if nothing comes, by DELETE. Resolves when it is over. */
  async end() {
    if (this.#state === "ended" || this.#state === "lost") return;
    const asked = !this.#isGuest && (this.#publication?.send({ type: "end" }) ?? false);
    if (asked) await Promise.race([this.#ended, after(END_WAIT_MS)]);
    if (this.#state === "ended") return;
    try {
      await this.#publication?.end();
    } catch (error) {
      console.warn("The node did not take the end of the call; it will notice by itself:", error);
    }
    this.#finish("ended");
  }

  /** Tells the node at once, without waiting, as a page must that is being closed. */
  leave() {
    this.#publication?.end().catch((error) => console.info("The node will notice by itself:", error));
  }

  // Once WebRTC was found blocked, this call stays with the WebSocket; the next one tries again.
  async #publish(resume) {
    const { whipUrl, socketUrl, resumeToken: token } = this.#session;
    const microphone = this.#microphone;
    if (this.#isBlocked) return SocketPublication.open({ socketUrl, microphone, token });
    try {
      return await Publication.open({ whipUrl, microphone, token, resume });
    } catch (error) {
      if (!(error instanceof Blocked) || !socketUrl) throw error;
      const publication = await this.#publishSlowly({ socketUrl, microphone, token }, error);
      this.#isBlocked = true;
      if (this.#state === "connecting" || this.#state === "reconnecting") this.dispatchEvent(new Event("slow"));
      return publication;
    }
  }

  async #publishSlowly(wanted, blocked) {
    try {
      return await SocketPublication.open(wanted);
    } catch (error) {
      // What the node refuses, or the browser cannot do, says more than that nothing came through.
      if (!(error instanceof Problem) || error.status) throw error;
      throw blocked;
    }
  }

  #take(publication) {
    this.#publication = publication;
    this.#vigil = new Vigil(publication, () => this.#broken());
    publication.addEventListener("message", ({ detail }) => this.#receive(detail));
    this.dispatchEvent(new CustomEvent("tracks", { detail: publication.tracks }));
    publication.addEventListener("dropped", ({ detail }) => this.dispatchEvent(new CustomEvent("dropped", { detail })));
  }

  #receive(envelope) {
    if (this.#held) {
      this.#held.push(envelope);
      return;
    }
    if (envelope.type === "meters") {
      this.dispatchEvent(new CustomEvent("meters", { detail: envelope }));
      return;
    }
    if (envelope.seq <= this.#lastSeq) return;
    this.#lastSeq = envelope.seq;
    this.dispatchEvent(new CustomEvent("event", { detail: envelope }));
    if (envelope.type === "session.state" && envelope.data.state === "completed") this.#finish("ended");
  }

  #broken() {
    if (this.#state !== "live") return;
    this.#drop();
    this.#enter("reconnecting");
    void this.#recover();
  }

  #drop() {
    this.#vigil?.stop();
    this.#publication?.close();
    this.#publication = null;
  }

  async #recover() {
    const giveUpAt = performance.now() + RECOVER_MS;
    let wait = FIRST_WAIT_MS;
    let problem = null;
    while (performance.now() < giveUpAt) {
      await this.#wait.for(Math.min(wait, giveUpAt - performance.now()));
      if (this.#state !== "reconnecting") return;
      try {
        const publication = await this.#publish(true);
        if (this.#state !== "reconnecting") { publication.close(); return; }
        await this.#recovered(publication);
        return;
      } catch (error) {
        problem = error;
        if (error instanceof Problem && FINAL_STATUSES.has(error.status)) break;
        wait = error.retryAfterS ? error.retryAfterS * 1000 : Math.min(wait * 2, LONGEST_WAIT_MS);
      }
    }
    this.#finish("lost", problem);
  }

  async #recovered(publication) {
    // What the new channel brings waits for what was missed: its higher numbers would hide the lower ones.
    this.#held = [];
    this.#take(publication);
    const missed = await events(this.#session.id, this.#lastSeq).catch(() => []);
    const newer = this.#held;
    this.#held = null;
    for (const envelope of [...missed, ...newer]) this.#receive(envelope);
    if (this.#state !== "reconnecting") return;
    this.#applyPause();
    if (this.#paused) publication.send({ type: "pause" });
    this.#announce();
    this.#enter("live");
  }

  #microphoneChanged = async () => {
    const { track } = this.#microphone;
    this.#applyPause();
    await this.#publication?.replaceTrack(track);
    this.#announce();
  };

  // The node anchors its clock and judges volume by the device, so it hears of every change.
  #announce() {
    const { track, label, settings } = this.#microphone;
    if (track === this.#announced) return;
    if (this.#publication?.send({ type: "device", label, settings })) this.#announced = track;
  }

  #applyPause() {
    if (this.#microphone.track) this.#microphone.track.enabled = !this.#paused;
  }

  #enter(state, problem = null) {
    if (this.#state === state) return;
    this.#state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, problem } }));
  }

  #finish(state, problem = null) {
    if (this.#state === "ended" || this.#state === "lost") return;
    this.#wait.stop();
    this.#microphone.removeEventListener("changed", this.#microphoneChanged);
    this.#drop();
    this.#resolveEnded();
    this.#enter(state, problem);
  }
}

const after = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
