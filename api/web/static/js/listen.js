// The listen page: which call, then what is heard and said in it.

import { announce } from "./announce.js";
import { session as getSession, sessions as getSessions } from "./api.js";
import { Cards } from "./cards.js";
import { byId, element } from "./element.js";
import { Gauges } from "./gauges.js";
import { Listening } from "./listening.js";
import { titleOf } from "./kind.js";
import { clock, dateAndTime, duration } from "./moment.js";
import { dismiss, dismissAll, notify } from "./notices.js";
import { Panel } from "./panel.js";
import { recall, remember } from "./preferences.js";
import { CallRecord } from "./record.js";
import { signedIn } from "./shell.js";
import { language, text, write } from "./texts.js";
import { Transcript } from "./transcript.js";

const REFRESH_MS = 3000;
const LIVE = ["active", "paused", "interrupted"];

class Listen {
  #sound = byId("sound");
  #transcript = new Transcript();
  #gauges = new Gauges();
  #cards = new Cards();
  #session = null;
  #listening = null;
  #record = null;
  #isWeak = false;
  #refresh = 0;

  constructor() {
    for (const name of ["transcript", "gauges"]) {
      new Panel(name, byId(`toggle-${name}`), byId(`${name}-body`), (shown) => byId("live").classList.toggle(`no-${name}`, !shown));
    }
    byId("start").addEventListener("click", () => this.#start());
    byId("again").addEventListener("click", () => void this.route());
    byId("stop").addEventListener("click", () => { location.hash = "#/"; });
    byId("mute").addEventListener("click", () => this.#mute(!this.#sound.muted));
    byId("volume").addEventListener("input", ({ target }) => this.#volume(target.valueAsNumber));
    byId("volume").valueAsNumber = recall("listen-volume", 1);
    addEventListener("hashchange", () => void this.route());
    addEventListener("pagehide", () => this.#listening?.stop());
  }

  /** Shows what the address asks for: one call, or the calls that are live. */
  async route() {
    this.#leave();
    dismissAll();
    const [, id] = /^#\/sessions\/([0-9a-f]{24})$/.exec(location.hash) ?? [];
    try {
      if (id) await this.#choose(id);
      else await this.#list();
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

  async #choose(id) {
    const session = await getSession(id);
    if (session.status === "completed") {
      this.#over(text("page.listen.was_over"), text("page.listen.was_kept"), { summaryOf: id });
      return;
    }
    this.#session = session;
    byId("ready-title").textContent = text("page.listen.ready_to", { call: titleOf(session.sessionType) });
    byId("ready-lead").textContent = session.startTime
      ? text("page.listen.began", { when: dateAndTime(session.startTime) })
      : text("page.listen.not_begun");
    this.#show("ready");
  }

  #start() {
    const listening = new Listening(this.#session.id);
    this.#listening = listening;
    this.#record = new CallRecord();
    this.#isWeak = false;
    this.#transcript.clear();
    this.#cards.clear();
    write(byId("cards-empty"), "page.listen.tips");
    this.#gauges.start(null, "");
    byId("live-title").textContent = titleOf(this.#session.sessionType);
    byId("timer").textContent = clock(this.#session.durationMs);
    this.#mute(false);
    this.#volume(byId("volume").valueAsNumber);
    listening.addEventListener("stream", ({ detail }) => void this.#play(detail));
    listening.addEventListener("event", ({ detail }) => this.#event(detail));
    listening.addEventListener("meters", ({ detail }) => this.#meters(detail));
    listening.addEventListener("state", ({ detail }) => this.#state(detail));
    this.#show("live");
    this.#showState();
    listening.start();
  }

  async #play(stream) {
    this.#sound.srcObject = stream;
    try {
      await this.#sound.play();
      dismiss("sound");
    } catch (error) {
      if (error.name === "AbortError") return;
      notify("sound", "warn", text("page.listen.no_sound"), [{ label: text("page.listen.play"), run: () => void this.#play(stream) }]);
    }
  }

  #event(envelope) {
    this.#record.apply(envelope);
    this.#passed(envelope.t);
    const { type, data } = envelope;
    if (type.startsWith("transcript.")) this.#transcript.show(this.#record.utterances.get(data.utterance));
    else if (type === "metrics") this.#gauges.score(data);
    else if (type === "feedback") this.#cards.add(data);
    else if (type === "bookmark") announce(text("page.listen.bookmarked", { time: clock(data.atMs) }));
    else if (type === "session.state") this.#showState();
  }

  #meters({ t, data }) {
    this.#passed(t);
    this.#gauges.show(data);
    this.#speaking(data.speaking);
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
    let state = this.#listening.state;
    if (state === "live" && ["paused", "interrupted"].includes(this.#record.state)) state = this.#record.state;
    else if (state === "live" && this.#isWeak) state = "weak";
    // A pause of the caller is no fault of the line.
    byId("connection").dataset.state = state === "interrupted" ? "weak" : state;
    write(byId("connection-text"), `page.listen.state.${state}`);
    const isStill = !["live", "weak"].includes(state);
    this.#gauges.pause(isStill);
    if (isStill) this.#speaking(false);
  }

  #speaking(is) {
    byId("speaking").dataset.speaking = String(is);
    write(byId("speaking-text"), `page.live.${is ? "speaking" : "silent"}`);
  }

  #passed(sessionMs) {
    byId("timer").textContent = clock(Math.max(sessionMs, this.#record.durationMs));
  }

  #mute(muted) {
    this.#sound.muted = muted;
    write(byId("mute-text"), muted ? "page.listen.unmute" : "page.listen.mute");
    byId("mute").classList.toggle("primary", muted);
  }

  #volume(volume) {
    this.#sound.volume = volume;
    remember("listen-volume", volume);
  }

  #leave() {
    clearTimeout(this.#refresh);
    this.#listening?.stop();
    this.#listening = null;
    this.#sound.srcObject = null;
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
if (await signedIn({ changed: () => listen.route() })) {
  listen = new Listen();
  await listen.route();
}
