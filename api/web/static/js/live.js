// The call page: a call on one side, what it says on the other.

import { announce } from "./announce.js";
import { forDevice } from "./baseline.js";
import { Call } from "./call.js";
import { Cards } from "./cards.js";
import { byId, setIcon } from "./element.js";
import { Gauges } from "./gauges.js";
import { listMicrophones } from "./microphone.js";
import { clock } from "./moment.js";
import { dismiss, dismissAll, notify } from "./notices.js";
import { Panel } from "./panel.js";
import { CallRecord } from "./record.js";
import { Shortcuts } from "./shortcuts.js";
import { Transcript } from "./transcript.js";
import { WakeLock } from "./wakelock.js";

/** The kinds of call, by name. */
export const KINDS_OF_CALL = { pitch: "Pitch", objection: "Objection", closing: "Closing" };

const REDUCED = {
  transcript: "Some words could not be written down",
  recording: "The recording has stopped; the call goes on",
  "volume feedback": "Volume tips are off",
  words: "Live words",
  journal: "This call is no longer being written down; it goes on",
};

const CONNECTION = {
  connecting: "Connecting",
  live: "Connected",
  weak: "Weak connection",
  paused: "Paused",
  reconnecting: "Reconnecting",
  lost: "Connection lost",
  ended: "Ended",
};

export class Live {
  #microphone;
  #finished;
  #call = null;
  #record = null;
  #transcript = new Transcript();
  #gauges = new Gauges();
  #cards = new Cards();
  #wakeLock = new WakeLock();
  #shortcuts;
  #tick = 0;
  #anchor = { sessionMs: 0, at: 0 };
  #pausedAt = null;
  #isWeak = false;

  /** `finished(record, problem)` is called once when a call that had begun is over. */
  constructor(microphone, finished) {
    this.#microphone = microphone;
    this.#finished = finished;
    const [transcript, gauges] = ["transcript", "gauges"].map(
      (name) => new Panel(name, byId(`toggle-${name}`), byId(`${name}-body`), (shown) => byId("live").classList.toggle(`no-${name}`, !shown)),
    );
    this.#shortcuts = new Shortcuts({
      p: () => this.#togglePause(),
      b: () => this.#bookmark(),
      "shift+e": () => void this.#end(),
      t: () => transcript.toggle(),
      g: () => gauges.toggle(),
    });
    byId("pause").addEventListener("click", () => this.#togglePause());
    byId("bookmark").addEventListener("click", () => this.#bookmark());
    byId("end").addEventListener("click", () => void this.#end());
    byId("call-device").addEventListener("change", (event) => void this.#pick(event.target.value));
    microphone.addEventListener("changed", () => void this.#microphoneChanged());
    microphone.addEventListener("lost", ({ problem }) => this.#microphoneLost(problem));
    microphone.addEventListener("muted", () => this.#muted());
    microphone.addEventListener("unmuted", () => dismiss("muted"));
    microphone.addEventListener("devices", () => void this.#devicesChanged());
    addEventListener("beforeunload", (event) => { if (this.isOn) event.preventDefault(); });
    addEventListener("pagehide", () => this.#call?.leave());
  }

  /** Whether a call is going on. */
  get isOn() {
    return this.#call !== null;
  }

  /** Begins the call of `session`. Throws what Call.start throws; then there is no call. */
  async start(session) {
    dismissAll();
    const call = new Call(session, this.#microphone);
    this.#call = call;
    this.#record = new CallRecord();
    this.#transcript.clear();
    this.#cards.clear();
    this.#startGauges(session);
    byId("live-title").textContent = `${KINDS_OF_CALL[session.sessionType] ?? "Practice"} practice`;
    byId("timer").textContent = "0:00";
    this.#anchor = { sessionMs: 0, at: performance.now() };
    this.#isWeak = false;
    this.#showPause(false);
    this.#enable(false);
    this.#connection("connecting");
    call.addEventListener("event", ({ detail }) => this.#event(detail));
    call.addEventListener("meters", ({ detail }) => this.#meters(detail));
    call.addEventListener("state", ({ detail }) => this.#state(detail));
    call.addEventListener("slow", () => notify("slow", "info", "Your network blocks the fast connection, so a slower one is used. Tips may come a little later."));
    call.addEventListener("dropped", ({ detail }) => notify("dropped", "warn", `The network is too slow for the sound: ${Math.ceil(detail)} s could not be sent.`));
    void listMicrophones(byId("call-device"), this.#microphone);
    try {
      await call.start();
    } catch (error) {
      this.#call = null;
      throw error;
    }
    // Session time begins with the first sound at the node, which a blocked network may have delayed.
    this.#anchor = { sessionMs: 0, at: performance.now() };
    this.#enable(true);
    this.#shortcuts.start();
    void this.#wakeLock.hold();
    this.#tick = setInterval(() => this.#showTime(), 250);
    if (this.#microphone.track?.muted) this.#muted();
    announce("The call is connected. Start talking.");
  }

  #startGauges(session) {
    const { enabled, reason } = session.volumeFeedback ?? { enabled: false, reason: null };
    const baseline = forDevice(this.#microphone.label);
    const note = enabled ? "" : (reason ?? "Volume tips are off in this call.");
    this.#gauges.start(enabled && baseline ? baseline.speechLevelDbfs : null, note);
  }

  #event(envelope) {
    this.#record.apply(envelope);
    this.#passed(envelope.t);
    const { type, data } = envelope;
    if (type === "speech.start") this.#cards.wait();
    else if (type.startsWith("transcript.")) this.#transcript.show(this.#record.utterances.get(data.utterance));
    else if (type === "metrics") this.#gauges.score(data);
    else if (type === "feedback") this.#cards.add(data);
    else if (type === "bookmark") announce(`Bookmarked at ${clock(data.atMs)}.`);
    else if (type === "session.state") console.info("The session is now", data.state, data.reason ?? "");
    else if (type === "degraded" && data.untilMs !== null) dismiss("degraded");
    else if (type === "degraded") notify("degraded", "warn", `${REDUCED[data.what] ?? `Reduced for now: ${data.what}`}: ${data.why}.`);
    else if (type === "error") console.warn("The node could not use a message:", data.code, data.detail);
  }

  #meters({ t, data }) {
    this.#passed(t);
    if (this.#call?.isPaused) return;
    this.#gauges.show(data);
    this.#speaking(data.speaking);
    // The node says what is weak, so that this word and its tip agree.
    const isWeak = data.link?.weak ?? false;
    if (isWeak === this.#isWeak) return;
    this.#isWeak = isWeak;
    this.#showState();
  }

  #state({ state, problem }) {
    this.#showState();
    this.#enable(state === "live");
    this.#gauges.pause(state !== "live" || this.#call.isPaused);
    if (state === "live") {
      if (dismiss("connection")) announce("The connection is back.");
    } else if (state === "reconnecting") {
      this.#speaking(false);
      notify("connection", "bad", "The connection was lost. Forecourt is trying to get it back for up to a minute; what was heard so far is safe.", [
        { label: "End the call", run: () => void this.#end() },
      ]);
    } else if (state === "ended" || state === "lost") {
      this.#over(problem, state);
    }
  }

  #over(problem, state) {
    const wasOn = this.#tick !== 0;
    clearInterval(this.#tick);
    this.#tick = 0;
    this.#shortcuts.stop();
    void this.#wakeLock.release();
    this.#call = null;
    dismissAll();
    if (!wasOn) return;
    this.#microphone.close();
    const lost = "The connection could not be brought back, so the call has ended here.";
    this.#finished(this.#record, state === "lost" ? [lost, problem?.detail].filter(Boolean).join(" ") : null);
  }

  #togglePause() {
    const call = this.#call;
    if (call?.state !== "live") return;
    const paused = !call.isPaused;
    if (paused) call.pause();
    else call.resume();
    this.#showPause(paused);
    this.#showState();
    announce(paused ? "Paused. Nothing is heard now." : "The call goes on.");
  }

  #showPause(paused) {
    this.#pausedAt = paused ? performance.now() : null;
    byId("pause-text").textContent = paused ? "Go on" : "Pause";
    setIcon(byId("pause").querySelector("svg"), paused ? "play" : "pause");
    byId("pause").classList.toggle("primary", paused);
    this.#gauges.pause(paused);
    this.#speaking(false);
  }

  #bookmark() {
    if (this.#call?.state !== "live") return;
    if (!this.#call.bookmark()) notify("bookmark", "warn", "The bookmark could not be set: the connection is not ready. Try again in a moment.");
  }

  async #end() {
    if (!this.#call) return;
    this.#enable(false);
    byId("connection-text").textContent = "Ending";
    await this.#call.end();
  }

  async #pick(deviceId) {
    try {
      await this.#microphone.open(deviceId);
    } catch (problem) {
      this.#microphoneLost(problem);
      void listMicrophones(byId("call-device"), this.#microphone);
    }
  }

  async #microphoneChanged() {
    if (!this.#call) return;
    dismiss("muted");
    this.#gauges.pause(this.#call.isPaused);
    const { label } = this.#microphone;
    const baseline = forDevice(label);
    const compared = this.#microphone.levelIsTrue && baseline;
    this.#gauges.compare(compared ? baseline.speechLevelDbfs : null, compared ? "" : "Not compared: this microphone was not checked");
    notify("microphone", "info", `The microphone in use is now “${label}”.`);
    await listMicrophones(byId("call-device"), this.#microphone);
  }

  #microphoneLost(problem) {
    if (!this.#call) return;
    dismiss("muted");
    this.#gauges.pause(true);
    this.#speaking(false);
    notify("microphone", "bad", `The microphone stopped. ${problem.message}`, [
      { label: "Try again", run: () => void this.#retryMicrophone() },
    ]);
  }

  async #retryMicrophone() {
    try {
      await this.#microphone.open();
    } catch (problem) {
      dismiss("microphone");
      this.#microphoneLost(problem);
    }
  }

  #muted() {
    if (!this.#call) return;
    this.#speaking(false);
    notify("muted", "warn", "The system has muted your microphone, so nothing is heard. Unmute it on the headset, the keyboard or in the system's sound settings.");
  }

  async #devicesChanged() {
    if (!this.#call) return;
    await listMicrophones(byId("call-device"), this.#microphone);
    announce("The list of microphones has changed.");
  }

  #speaking(is) {
    byId("speaking").dataset.speaking = String(is);
    byId("speaking-text").textContent = this.#call?.isPaused ? "Not listening" : is ? "Speaking" : "Listening";
  }

  #showState() {
    const state = this.#call?.state ?? "ended";
    if (state === "live" && this.#call.isPaused) this.#connection("paused");
    else if (state === "live" && this.#isWeak) this.#connection("weak");
    else this.#connection(state);
  }

  #connection(state) {
    byId("connection").dataset.state = state;
    byId("connection-text").textContent = CONNECTION[state] ?? state;
  }

  #enable(on) {
    for (const id of ["pause", "bookmark"]) byId(id).disabled = !on;
    byId("end").disabled = this.#call?.state === "connecting";
  }

  // Session time, as in the recording: it runs on during a pause.
  #passed(sessionMs) {
    const now = performance.now();
    if (sessionMs >= this.#now(now) - 1000) this.#anchor = { sessionMs: Math.max(sessionMs, this.#now(now) - 250), at: now };
  }

  #now(at) {
    return this.#anchor.sessionMs + (at - this.#anchor.at);
  }

  #showTime() {
    const now = performance.now();
    byId("timer").textContent = clock(this.#now(now));
    if (this.#pausedAt !== null && this.#call?.state === "live") {
      byId("connection-text").textContent = `Paused for ${clock(now - this.#pausedAt)}`;
    }
  }
}
