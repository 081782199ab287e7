// The listen page: which call, then what is heard and said in it, and how one takes part.

import { announce } from "./announce.js";
import { get, session as getSession, sessions as getSessions } from "./api.js";
import { CallAlerts } from "./call-alerts.js";
import { Cards } from "./cards.js";
import { CoachSays } from "./coach-says.js";
import { confirmed } from "./dialog.js";
import { Ears } from "./ears.js";
import { byId, element } from "./element.js";
import { Hints } from "./hints.js";
import { shownKeys } from "./keys.js";
import { titleOf } from "./kind.js";
import { Listening } from "./listening.js";
import { nameOf } from "./me.js";
import { listMicrophones, Microphone } from "./microphone.js";
import { Modes } from "./modes.js";
import { clock, dateAndTime, duration } from "./moment.js";
import { dismiss, dismissAll, notify } from "./notices.js";
import { OwnLevel } from "./own-level.js";
import { Panel } from "./panel.js";
import { recall, remember } from "./preferences.js";
import { Presence } from "./presence.js";
import { CallRecord } from "./record.js";
import { signedIn } from "./shell.js";
import { Shortcuts } from "./shortcuts.js";
import { Speaking } from "./speaking.js";
import { language, text, write } from "./texts.js";
import { Transcript } from "./transcript.js";
import { TRAINEE, trackOf, Voices } from "./voices.js";
import { Whose } from "./whose.js";

const REFRESH_MS = 3000;
const TICK_MS = 500;
const LIVE = ["active", "paused", "interrupted"];
/** Names what somebody agrees to who speaks in a recorded call; changes with its wording, and with the language. */
const textVersion = () => `barge-2026-11-23${language() === "en" ? "" : `-${language()}`}`;

class Listen {
  #me;
  #microphone = new Microphone();
  #ears = new Ears(byId("ears"), () => this.#silenced());
  #transcript = new Transcript();
  #cards = new Cards();
  #coachSays = new CoachSays(byId("coach-says"));
  #hints = new Hints(() => this.#now());
  #alerts = new CallAlerts(() => this.#now());
  #whose = new Whose((track) => this.#record?.metricsOf.get(track) ?? null);
  #level = new OwnLevel(this.#microphone, "own-level", "page.modes.microphone_off");
  #modes;
  #shortcuts;
  #session = null;
  #trainee = "";
  #listening = null;
  #speaking = null;
  #presence = null;
  #voices = null;
  #record = null;
  // `at` is null before the call has begun.
  #anchor = { sessionMs: 0, at: null };
  #tick = 0;
  #isWeak = false;
  #refresh = 0;
  #cameFromBoard = false;

  /** `me`: the UserView of who listens. */
  constructor(me) {
    this.#me = me;
    const panels = Object.fromEntries(["transcript", "gauges"].map((name) => [
      name, new Panel(name, byId(`toggle-${name}`), byId(`${name}-body`), (shown) => byId("live").classList.toggle(`no-${name}`, !shown)),
    ]));
    this.#modes = new Modes((mode) => void this.#speaking?.want(mode), () => byId("shortcuts-on").checked);
    this.#shortcuts = new Shortcuts({
      m: () => void this.#speaking.want("monitor"),
      w: () => void this.#speaking.want("whisper"),
      a: () => void this.#speaking.want("barge"),
      ...this.#hints.keys,
      t: () => panels.transcript.toggle(),
      g: () => panels.gauges.toggle(),
    });
    byId("start").addEventListener("click", () => this.#start());
    byId("again").addEventListener("click", () => void this.route());
    byId("stop").addEventListener("click", () => this.#goBack());
    byId("mute").addEventListener("click", () => this.#mute(!this.#ears.isMuted));
    byId("volume").addEventListener("input", ({ target }) => this.#volume(target.valueAsNumber));
    byId("volume").valueAsNumber = recall("listen-volume", 1);
    byId("call-device").addEventListener("change", ({ target }) => void this.#pick(target.value));
    this.#microphone.addEventListener("changed", () => void listMicrophones(byId("call-device"), this.#microphone));
    this.#microphone.addEventListener("devices", () => void listMicrophones(byId("call-device"), this.#microphone));
    addEventListener("hashchange", () => void this.route());
    addEventListener("pagehide", () => this.#listening?.stop());
  }

  /** Shows what the address asks for: #ID (listens at once), #/sessions/ID, or the calls that are live. */
  async route() {
    this.#leave();
    dismissAll();
    const [, path, id] = /^#(\/sessions\/)?([0-9a-f]{24})$/.exec(location.hash) ?? [];
    this.#cameFromBoard = Boolean(id) && !path;
    try {
      if (!id) await this.#list();
      else if (await this.#choose(id) && this.#cameFromBoard) this.#start();
    } catch (problem) {
      this.#over(text("page.listen.wrong"), problem.detail ?? problem.message, { again: true });
    }
  }

  async #list() {
    const calls = (await getSessions()).filter(({ status }) => LIVE.includes(status));
    write(byId("calls-lead"), calls.length ? "page.listen.choose" : "page.listen.nobody");
    // Left as it is while nothing changes, so that the focus stays where it is.
    const shown = JSON.stringify([language(), ...calls.map(({ id, status }) => [id, status])]);
    if (byId("calls").dataset.shown !== shown) {
      byId("calls").dataset.shown = shown;
      byId("calls").replaceChildren(...calls.map((call) => element("li", {}, line(call))));
    }
    if (document.body.dataset.view !== "calls") this.#show("calls");
    clearTimeout(this.#refresh);
    this.#refresh = setTimeout(() => void this.#list().catch((problem) => this.#unreachable(problem)), REFRESH_MS);
  }

  #unreachable(problem) {
    notify("list", "warn", problem.detail ?? problem.message);
    this.#refresh = setTimeout(() => void this.route(), REFRESH_MS);
  }

  /** Whether the call can be listened to. */
  async #choose(id) {
    const session = await getSession(id);
    if (session.status === "completed") {
      this.#over(text("page.listen.was_over"), text("page.listen.was_kept"), { summaryOf: id });
      return false;
    }
    this.#session = session;
    this.#trainee = await this.#nameOf(session.userId);
    byId("ready-title").textContent = text("page.listen.ready_to", { call: titleOf(session.sessionType), name: this.#trainee });
    byId("ready-lead").textContent = session.startTime
      ? text("page.listen.began", { when: dateAndTime(session.startTime) })
      : text("page.listen.not_begun");
    if (!this.#cameFromBoard) this.#show("ready");
    return true;
  }

  async #nameOf(userId) {
    try {
      return nameOf(await get(`/users/${userId}`));
    } catch (problem) {
      console.info("Who is on the call could not be found out:", problem);
      return text("page.voice.trainee");
    }
  }

  #start() {
    const listening = new Listening(this.#session.id);
    this.#listening = listening;
    this.#record = new CallRecord();
    this.#voices = new Voices({ [TRAINEE]: this.#trainee });
    this.#presence = new Presence(byId("people"), { selfId: this.#me.id, trainee: this.#trainee, nobody: "page.presence.joining" });
    this.#isWeak = false;
    this.#transcript.clear();
    this.#cards.clear();
    this.#coachSays.clear();
    write(byId("cards-empty"), "page.listen.tips");
    this.#whose.start(this.#voices);
    this.#hints.start(this.#session.id);
    this.#modes.offer(this.#trainee);
    this.#level.say("page.modes.microphone_off");
    this.#speak(listening);
    byId("keys").replaceChildren(...shownKeys());
    byId("live-title").textContent = text("page.listen.title_of", { name: this.#trainee, call: titleOf(this.#session.sessionType) });
    this.#anchor = { sessionMs: this.#session.durationMs, at: this.#session.startTime ? performance.now() : null };
    this.#mute(false);
    this.#volume(byId("volume").valueAsNumber);
    listening.addEventListener("tracks", ({ detail }) => this.#connected(detail));
    listening.addEventListener("event", ({ detail }) => this.#event(detail));
    listening.addEventListener("meters", ({ detail }) => this.#meters(detail));
    listening.addEventListener("state", ({ detail }) => this.#state(detail));
    this.#show("live");
    this.#showState();
    this.#shortcuts.start();
    this.#alerts.start(this.#session.id);
    this.#showTime();
    this.#tick = setInterval(() => this.#showTime(), TICK_MS);
    void listMicrophones(byId("call-device"), this.#microphone);
    listening.start();
  }

  #speak(listening) {
    this.#speaking = new Speaking(listening, this.#microphone, () => this.#agree());
    this.#speaking.addEventListener("mode", () => this.#showMode());
    this.#speaking.addEventListener("refused", ({ detail }) => {
      this.#modes.show(this.#speaking.mode);
      notify("mode", "bad", detail.detail ?? detail.message);
    });
  }

  async #agree() {
    const isAgreed = await confirmed({
      title: text("page.modes.consent.title"), says: [text("page.modes.consent.says"), text("page.modes.consent.others")],
      action: text("page.modes.consent.agree"), isDanger: false, run: async () => {},
    });
    return isAgreed ? { textVersion: textVersion() } : null;
  }

  #showMode() {
    const { mode } = this.#speaking;
    dismiss("mode");
    this.#modes.show(mode);
    this.#level.say(`page.modes.microphone_${mode}`);
    announce(text(`page.modes.now_${mode}`, { trainee: this.#trainee }));
  }

  // A new connection begins as a monitor's: what was being said is not heard any more.
  #connected(tracks) {
    const was = this.#speaking.mode;
    this.#speaking.reset();
    this.#ears.hear(tracks);
    if (was !== "monitor") notify("mode", "warn", text("page.modes.reset"));
  }

  // Browsers play nothing before a click in a page that was opened by its address.
  #silenced() {
    notify("sound", "warn", text("page.listen.no_sound"), [{ label: text("page.listen.play"), run: () => { dismiss("sound"); this.#ears.play(); } }]);
  }

  #event(envelope) {
    this.#record.apply(envelope);
    this.#passed(envelope.t);
    const { type, data } = envelope;
    const track = trackOf(envelope);
    if (type.startsWith("transcript.")) this.#transcript.show(this.#record.utteranceOf(envelope), this.#voices.name(track));
    else if (type === "metrics") this.#whose.score(track);
    else if (type === "feedback") this.#cards.add(data);
    else if (type === "presence") this.#present(data.people);
    else if (type === "note" && data.authorId !== this.#me.id) this.#coachSays.show(data);
    else if (type === "bookmark" && !data.author) announce(text("page.listen.bookmarked", { time: clock(data.atMs) }));
    else if (type === "session.state") this.#showState();
  }

  #present(people) {
    this.#voices.take(people);
    this.#presence.show(people);
    this.#whose.named();
  }

  #meters(envelope) {
    const { t, data } = envelope;
    const track = trackOf(envelope);
    this.#passed(t);
    this.#whose.show(track, data);
    this.#presence.speaking(track, data.speaking);
    if (track !== TRAINEE) return;
    this.#showSpeaking(data.speaking);
    const isWeak = data.link?.weak ?? false;
    if (isWeak === this.#isWeak) return;
    this.#isWeak = isWeak;
    this.#showState();
  }

  #state({ state, problem }) {
    if (state === "ended") {
      const { id, recordingConsent } = this.#session;
      const lasted = text(`page.listen.lasted${recordingConsent ? "_kept" : ""}`, { duration: duration(this.#record.durationMs) });
      this.#over(text("page.listen.over"), problem?.detail ?? lasted, { summaryOf: recordingConsent ? id : null });
    } else if (state === "lost") {
      const why = problem?.detail ?? problem?.message ?? text("page.listen.lost_why");
      this.#over(text("page.listen.lost"), why, { again: true });
    } else {
      this.#showState();
      if (problem) notify("connection", "warn", problem.detail);
      else if (state === "live") { if (dismiss("connection")) announce(text("page.live.back")); }
      else if (state === "reconnecting") notify("connection", "bad", text("page.listen.reconnecting"));
    }
  }

  #showState() {
    let { state } = this.#listening;
    if (state === "live" && ["paused", "interrupted"].includes(this.#record.state)) state = this.#record.state;
    else if (state === "live" && this.#isWeak) state = "weak";
    // A pause of the caller is no fault of the line.
    byId("connection").dataset.state = state === "interrupted" ? "weak" : state;
    write(byId("connection-text"), `page.listen.state.${state}`);
    const isStill = !["live", "weak"].includes(state);
    this.#whose.pause(isStill);
    this.#modes.enable(!["connecting", "waiting", "reconnecting"].includes(this.#listening.state));
    if (isStill) this.#showSpeaking(false);
  }

  #showSpeaking(is) {
    byId("speaking").dataset.speaking = String(is);
    write(byId("speaking-text"), `page.live.${is ? "speaking" : "silent"}`);
  }

  // What was missed comes with times of long ago.
  #passed(sessionMs) {
    if (this.#anchor.at === null || sessionMs > this.#now()) this.#anchor = { sessionMs, at: performance.now() };
  }

  #now() {
    const { sessionMs, at } = this.#anchor;
    return at === null ? sessionMs : sessionMs + performance.now() - at;
  }

  #showTime() {
    byId("timer").textContent = clock(this.#now());
    this.#alerts.tick();
  }

  #mute(muted) {
    this.#ears.mute(muted);
    write(byId("mute-text"), muted ? "page.listen.unmute" : "page.listen.mute");
    byId("mute").classList.toggle("primary", muted);
  }

  #volume(volume) {
    this.#ears.volume(volume);
    remember("listen-volume", volume);
  }

  async #pick(deviceId) {
    try {
      await this.#microphone.open(deviceId);
    } catch (problem) {
      notify("mode", "bad", problem.message);
    }
  }

  #goBack() {
    if (this.#cameFromBoard) location.assign("/board");
    else location.hash = "#/";
  }

  #leave() {
    clearTimeout(this.#refresh);
    clearInterval(this.#tick);
    this.#shortcuts.stop();
    this.#alerts.stop();
    this.#speaking?.stop();
    this.#speaking = null;
    this.#listening?.stop();
    this.#listening = null;
    this.#ears.close();
  }

  #over(title, text, { summaryOf = null, again = false }) {
    this.#leave();
    dismissAll();
    byId("over-title").textContent = title;
    byId("over-text").textContent = text;
    byId("summary").hidden = !summaryOf;
    byId("again").hidden = !again;
    if (summaryOf) byId("summary").href = `/#/sessions/${summaryOf}`;
    this.#show("over");
  }

  #show(view) {
    const isFirst = !document.body.dataset.view;
    document.body.dataset.view = view;
    for (const section of document.querySelectorAll("[data-view]:not(body)")) section.hidden = section.dataset.view !== view;
    document.title = text(`page.listen.title.${view}`);
    scrollTo(0, 0);
    // A new view starts at its heading, for those who do not see it change.
    if (!isFirst) document.querySelector(`section[data-view="${view}"] h1`).focus();
  }
}

function line({ id, sessionType, startTime, createdAt, durationMs, status }) {
  return element(
    "a", { class: "session", href: `#/sessions/${id}` },
    element("strong", {}, text("page.sessions.name", { kind: titleOf(sessionType), when: dateAndTime(startTime ?? createdAt) })),
    element("span", { class: "when" }, `${text(`page.listen.${status}`)} · ${text("page.listen.so_far", { duration: duration(durationMs) })}`),
  );
}

let listen = null;
const me = await signedIn({ changed: () => listen.route() });
if (me) {
  listen = new Listen(me);
  await listen.route();
}
