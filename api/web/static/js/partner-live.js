// The call as its partner has it: who is there, what is said, and their own microphone.

import { announce } from "./announce.js";
import { Call } from "./call.js";
import { Ears } from "./ears.js";
import { byId, element, setIcon } from "./element.js";
import { nameOf } from "./kind.js";
import { listMicrophones } from "./microphone.js";
import { clock } from "./moment.js";
import { dismiss, dismissAll, notify } from "./notices.js";
import { OwnLevel } from "./own-level.js";
import { recall, remember } from "./preferences.js";
import { Presence } from "./presence.js";
import { CallRecord } from "./record.js";
import { Shortcuts } from "./shortcuts.js";
import { text, write } from "./texts.js";
import { Transcript } from "./transcript.js";
import { TRAINEE, trackOf, Voices } from "./voices.js";
import { WakeLock } from "./wakelock.js";

const TICK_MS = 500;

export class PartnerLive {
  #me;
  #microphone;
  #over;
  #ears = new Ears(byId("ears"), () => this.#silenced());
  #level;
  #transcript = new Transcript();
  #wakeLock = new WakeLock();
  #shortcuts = new Shortcuts({ m: () => this.#mute(!this.#isMuted) });
  #call = null;
  #record = null;
  #presence = null;
  #voices = null;
  #isMuted = false;
  #anchor = { sessionMs: 0, at: null };
  #tick = 0;

  /** `over(state, problem)` is told once when a call that had begun is over: ended (also by leaving), or lost. */
  constructor(me, microphone, over) {
    this.#me = me;
    this.#microphone = microphone;
    this.#over = over;
    this.#level = new OwnLevel(microphone, "own-level", "page.join.off");
    byId("mute").addEventListener("click", () => this.#mute(!this.#isMuted));
    byId("leave").addEventListener("click", () => void this.#call?.end());
    byId("volume").valueAsNumber = recall("listen-volume", 1);
    byId("volume").addEventListener("input", ({ target }) => {
      this.#ears.volume(target.valueAsNumber);
      remember("listen-volume", target.valueAsNumber);
    });
    byId("call-device").addEventListener("change", ({ target }) => void this.#pick(target.value));
    microphone.addEventListener("changed", () => this.#changed());
    microphone.addEventListener("lost", ({ problem }) => this.#lost(problem));
    microphone.addEventListener("devices", () => { if (this.isOn) void listMicrophones(byId("call-device"), microphone); });
    addEventListener("beforeunload", (event) => { if (this.isOn) event.preventDefault(); });
    addEventListener("pagehide", () => this.#call?.leave());
  }

  /** Whether a call is going on. */
  get isOn() {
    return this.#call !== null;
  }

  /** Joins; `joined` is what POST /partners answered. Throws what Call.start throws; then there is no call. */
  async start(joined) {
    dismissAll();
    const { sessionId, traineeName } = joined;
    const call = new Call({ id: sessionId, whipUrl: joined.whipUrl, resumeToken: joined.resumeToken }, this.#microphone, { isGuest: true });
    this.#call = call;
    this.#record = new CallRecord();
    this.#voices = new Voices({ [TRAINEE]: traineeName, partner: text("page.voice.you") });
    this.#presence = new Presence(byId("people"), { selfId: this.#me.id, trainee: traineeName, nobody: "page.presence.joining" });
    this.#transcript.clear();
    this.#anchor = { sessionMs: 0, at: null };
    byId("live-title").textContent = text("page.listen.title_of", { name: traineeName, call: nameOf(joined.sessionType) });
    byId("role-hint").textContent = text(`page.join.role.${joined.sessionType}`, { name: traineeName });
    byId("keys").replaceChildren(element("div", {}, element("dt", {}, element("kbd", {}, "M")), element("dd", {}, text("page.join.keys.mute"))));
    this.#ears.volume(byId("volume").valueAsNumber);
    this.#mute(false);
    this.#connection("connecting");
    call.addEventListener("tracks", ({ detail }) => this.#ears.hear(detail));
    call.addEventListener("event", ({ detail }) => this.#event(detail));
    call.addEventListener("meters", ({ detail }) => this.#meters(detail));
    call.addEventListener("state", ({ detail }) => this.#state(detail));
    void listMicrophones(byId("call-device"), this.#microphone);
    try {
      await call.start();
    } catch (error) {
      this.#ears.close();
      this.#call = null;
      throw error;
    }
    this.#shortcuts.start();
    void this.#wakeLock.hold();
    this.#tick = setInterval(() => this.#showTime(), TICK_MS);
    announce(text("page.join.joined", { name: traineeName }));
  }

  #event(envelope) {
    this.#record.apply(envelope);
    this.#passed(envelope.t);
    const { type, data } = envelope;
    if (type.startsWith("transcript.")) this.#transcript.show(this.#record.utteranceOf(envelope), this.#name(trackOf(envelope)));
    else if (type === "presence") this.#present(data.people);
    else if (type === "session.state") this.#connection(this.#call?.state ?? "ended");
  }

  #name(track) {
    return track === "partner" ? text("page.voice.you") : this.#voices.name(track);
  }

  #present(people) {
    this.#voices.take(people);
    this.#presence.show(people);
  }

  #meters(envelope) {
    this.#passed(envelope.t);
    this.#presence.speaking(trackOf(envelope), envelope.data.speaking);
  }

  #state({ state, problem }) {
    this.#connection(state);
    if (state === "live") {
      if (dismiss("connection")) announce(text("page.live.back"));
      this.#mute(this.#isMuted);
    } else if (state === "reconnecting") {
      notify("connection", "bad", text("page.join.reconnecting"), [{ label: text("page.join.leave"), run: () => void this.#call?.end() }]);
    } else if (state === "ended" || state === "lost") {
      this.#end(state, problem);
    }
  }

  #end(state, problem) {
    const wasOn = this.#tick !== 0;
    clearInterval(this.#tick);
    this.#tick = 0;
    this.#shortcuts.stop();
    this.#ears.close();
    void this.#wakeLock.release();
    const isOver = this.#record.state === "completed";
    this.#call = null;
    if (!wasOn) return;
    dismissAll();
    this.#microphone.close();
    this.#over(state === "ended" && isOver ? "over" : state === "ended" ? "left" : "lost", problem);
  }

  // Browsers play nothing before a click; there was one to join, but one may want more.
  #silenced() {
    notify("sound", "warn", text("page.listen.no_sound"), [{ label: text("page.listen.play"), run: () => { dismiss("sound"); this.#ears.play(); } }]);
  }

  #mute(isMuted) {
    const isNews = isMuted !== this.#isMuted;
    this.#isMuted = isMuted;
    if (this.#microphone.track) this.#microphone.track.enabled = !isMuted;
    byId("mute").setAttribute("aria-pressed", String(isMuted));
    setIcon(byId("mute").querySelector("svg"), isMuted ? "mic-off" : "mic");
    write(byId("mute-text"), isMuted ? "page.join.muted" : "page.join.mute");
    byId("own-level").dataset.muted = String(isMuted);
    this.#level.say(isMuted ? "page.join.nobody_hears" : "page.join.on");
    if (isNews) announce(text(isMuted ? "page.join.nobody_hears" : "page.join.on"));
  }

  async #pick(deviceId) {
    try {
      await this.#microphone.open(deviceId);
    } catch (problem) {
      notify("microphone", "bad", problem.message);
    }
  }

  #changed() {
    if (!this.isOn) return;
    dismiss("microphone");
    this.#mute(this.#isMuted);
    void listMicrophones(byId("call-device"), this.#microphone);
  }

  #lost(problem) {
    if (!this.isOn) return;
    notify("microphone", "bad", text("page.live.microphone_lost", { why: problem.message }), [{ label: text("page.try_again"), run: () => void this.#pick(null) }]);
  }

  // The trainee's pause and broken line are no fault of this one.
  #connection(state) {
    const told = state === "live" && ["paused", "interrupted"].includes(this.#record.state) ? this.#record.state : state;
    byId("connection").dataset.state = told === "interrupted" ? "weak" : told;
    write(byId("connection-text"), told === "paused" || told === "interrupted" ? `page.listen.state.${told}` : `page.connection.${told}`);
  }

  #passed(sessionMs) {
    if (this.#anchor.at === null || sessionMs > this.#now()) this.#anchor = { sessionMs, at: performance.now() };
  }

  #now() {
    const { sessionMs, at } = this.#anchor;
    return at === null ? sessionMs : sessionMs + performance.now() - at;
  }

  #showTime() {
    byId("timer").textContent = clock(this.#now());
  }
}
