// The call page: a call on one side, what it says on the other.

import { announce } from "./announce.js";
import { forDevice } from "./baseline.js";
import { Call } from "./call.js";
import { Cards } from "./cards.js";
import { CoachSays } from "./coach-says.js";
import { Ears } from "./ears.js";
import { byId, setIcon } from "./element.js";
import { Gauges } from "./gauges.js";
import { Guide } from "./guide.js";
import { Invitation } from "./invitation.js";
import { titleOf } from "./kind.js";
import { listMicrophones } from "./microphone.js";
import { clock } from "./moment.js";
import { dismiss, dismissAll, notify } from "./notices.js";
import { Panel } from "./panel.js";
import { Presence } from "./presence.js";
import { CallRecord } from "./record.js";
import { Shortcuts } from "./shortcuts.js";
import { has, language, text, write } from "./texts.js";
import { Transcript } from "./transcript.js";
import { TRAINEE, trackOf, Voices } from "./voices.js";
import { WakeLock } from "./wakelock.js";

export class Live {
  #microphone;
  #finished;
  #call = null;
  #record = null;
  #transcript = new Transcript();
  #gauges = new Gauges();
  #cards = new Cards();
  #guide = new Guide(() => this.#now(performance.now()));
  #ears = new Ears(byId("ears"), () => this.#silenced());
  #coachSays = new CoachSays(byId("coach-says"));
  #invitation = new Invitation(byId("invite"));
  #presence = null;
  #voices = null;
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
    const [transcript, gauges, playbook] = ["transcript", "gauges", "playbook"].map(
      (name) => new Panel(name, byId(`toggle-${name}`), byId(`${name}-body`), (shown) => byId("live").classList.toggle(`no-${name}`, !shown)),
    );
    this.#shortcuts = new Shortcuts({
      p: () => this.#togglePause(),
      b: () => this.#bookmark(),
      "shift+e": () => void this.#end(),
      t: () => transcript.toggle(),
      g: () => gauges.toggle(),
      l: () => playbook.toggle(),
      x: () => this.#guide.dismiss(),
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
    this.#coachSays.clear();
    this.#voices = new Voices({ [TRAINEE]: text("page.voice.you") });
    this.#presence = new Presence(byId("people"), { selfId: session.userId, trainee: null, nobody: "page.presence.alone" });
    this.#invitation.start(session.id);
    this.#startGauges(session);
    void this.#guide.start(session, this.#record.heard);
    byId("live-title").textContent = titleOf(session.sessionType);
    byId("timer").textContent = "0:00";
    this.#anchor = { sessionMs: 0, at: performance.now() };
    this.#isWeak = false;
    this.#showPause(false);
    this.#enable(false);
    this.#connection("connecting");
    call.addEventListener("event", ({ detail }) => this.#event(detail));
    call.addEventListener("meters", ({ detail }) => this.#meters(detail));
    call.addEventListener("tracks", ({ detail }) => this.#ears.hear(detail));
    call.addEventListener("state", ({ detail }) => this.#state(detail));
    call.addEventListener("slow", () => notify("slow", "info", text("page.live.slow")));
    call.addEventListener("dropped", ({ detail }) => notify("dropped", "warn", text("page.live.dropped", { seconds: Math.ceil(detail) })));
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
    announce(text("page.live.connected"));
  }

  #startGauges(session) {
    const { enabled } = session.volumeFeedback ?? { enabled: false };
    const baseline = forDevice(this.#microphone.label);
    const why = !this.#microphone.levelIsTrue ? "_gain" : baseline ? "" : "_check";
    const note = enabled ? "" : text(`page.live.no_volume${why}`);
    this.#gauges.start(enabled && baseline ? baseline.speechLevelDbfs : null, note);
  }

  #event(envelope) {
    this.#record.apply(envelope);
    this.#passed(envelope.t);
    const { type, data } = envelope;
    const isOwn = trackOf(envelope) === TRAINEE;
    if (type === "speech.start" && isOwn) this.#cards.wait();
    else if (type.startsWith("transcript.")) this.#transcript.show(this.#record.utteranceOf(envelope), this.#voices.name(trackOf(envelope)));
    else if (type === "metrics" && isOwn) this.#gauges.score(data);
    else if (type === "feedback") this.#cards.add(data);
    else if (type === "playbook") this.#guide.event(this.#record.objected);
    else if (type === "presence") this.#present(data.people);
    else if (type === "note") this.#coachSays.show(data);
    else if (type === "bookmark") announce(bookmarked(data));
    else if (type === "session.state") console.info("The session is now", data.state, data.reason ?? "");
    else if (type === "degraded") degraded(data);
    else if (type === "error") console.warn("The node could not use a message:", data.code, data.detail);
  }

  #present(people) {
    this.#voices.take(people);
    this.#presence.show(people);
    this.#invitation.present(people);
  }

  // Browsers play nothing before a click; there were some on the way here, but one may want more.
  #silenced() {
    notify("sound", "warn", text("page.listen.no_sound"), [{ label: text("page.listen.play"), run: () => { dismiss("sound"); this.#ears.play(); } }]);
  }

  #meters(envelope) {
    const { t, data } = envelope;
    this.#passed(t);
    this.#presence.speaking(trackOf(envelope), data.speaking);
    if (trackOf(envelope) !== TRAINEE) return;
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
      if (dismiss("connection")) announce(text("page.live.back"));
    } else if (state === "reconnecting") {
      this.#speaking(false);
      notify("connection", "bad", text("page.live.reconnecting"), [
        { label: text("page.live.end"), run: () => void this.#end() },
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
    this.#guide.stop();
    this.#ears.close();
    this.#coachSays.clear();
    this.#invitation.stop();
    void this.#wakeLock.release();
    this.#call = null;
    dismissAll();
    if (!wasOn) return;
    this.#microphone.close();
    const lost = text("page.live.lost");
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
    announce(text(paused ? "page.live.is_paused" : "page.live.goes_on"));
  }

  #showPause(paused) {
    this.#pausedAt = paused ? performance.now() : null;
    write(byId("pause-text"), paused ? "page.controls.resume" : "page.controls.pause");
    setIcon(byId("pause").querySelector("svg"), paused ? "play" : "pause");
    byId("pause").classList.toggle("primary", paused);
    this.#gauges.pause(paused);
    this.#speaking(false);
  }

  #bookmark() {
    if (this.#call?.state !== "live") return;
    if (!this.#call.bookmark()) notify("bookmark", "warn", text("page.live.no_bookmark"));
  }

  async #end() {
    if (!this.#call) return;
    this.#enable(false);
    write(byId("connection-text"), "page.live.ending");
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
    this.#gauges.compare(compared ? baseline.speechLevelDbfs : null, compared ? "" : text("page.live.no_volume_device"));
    notify("microphone", "info", text("page.live.microphone", { microphone: label }));
    await listMicrophones(byId("call-device"), this.#microphone);
  }

  #microphoneLost(problem) {
    if (!this.#call) return;
    dismiss("muted");
    this.#gauges.pause(true);
    this.#speaking(false);
    notify("microphone", "bad", text("page.live.microphone_lost", { why: problem.message }), [
      { label: text("page.try_again"), run: () => void this.#retryMicrophone() },
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
    notify("muted", "warn", text("page.live.muted"));
  }

  async #devicesChanged() {
    if (!this.#call) return;
    await listMicrophones(byId("call-device"), this.#microphone);
    announce(text("page.live.microphones"));
  }

  #speaking(is) {
    byId("speaking").dataset.speaking = String(is);
    write(byId("speaking-text"), `page.live.${this.#call?.isPaused ? "not_listening" : is ? "speaking" : "listening"}`);
  }

  #showState() {
    const state = this.#call?.state ?? "ended";
    if (state === "live" && this.#call.isPaused) this.#connection("paused");
    else if (state === "live" && this.#isWeak) this.#connection("weak");
    else this.#connection(state);
  }

  #connection(state) {
    byId("connection").dataset.state = state;
    write(byId("connection-text"), `page.connection.${state}`);
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
      byId("connection-text").textContent = text("page.live.paused_for", { time: clock(now - this.#pausedAt) });
    }
  }
}

function bookmarked({ atMs, author }) {
  const time = clock(atMs);
  return author ? text("page.live.bookmarked_by", { author, time }) : text("page.live.bookmarked", { time });
}

// What others say, heard again through the trainee's microphone, is not told as a lack of the node's.
function degraded(data) {
  const [key, isOver] = [data.what === "echo" ? "echo" : "degraded", data.untilMs !== null];
  if (isOver) dismiss(key);
  else notify(key, "warn", key === "echo" ? text("page.live.echo") : reduced(data));
}

/** What the node does less of, and why: it tells the reason in English. */
function reduced({ what, why }) {
  const key = `page.reduced.${what.replaceAll(" ", "_")}`;
  const told = has(key) ? text(key) : text("page.reduced.other", { what });
  return language() === "en" ? `${told}: ${why}.` : `${told}.`;
}
