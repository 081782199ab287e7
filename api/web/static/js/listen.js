// The listen page: which call, then what is heard and said in it.

import { announce } from "./announce.js";
import { session as getSession, sessions as getSessions } from "./api.js";
import { Cards } from "./cards.js";
import { byId, element } from "./element.js";
import { Gauges } from "./gauges.js";
import { Listening } from "./listening.js";
import { KINDS_OF_CALL } from "./live.js";
import { clock, dateAndTime, duration } from "./moment.js";
import { dismiss, dismissAll, notify } from "./notices.js";
import { Panel } from "./panel.js";
import { recall, remember } from "./preferences.js";
import { CallRecord } from "./record.js";
import { Transcript } from "./transcript.js";

const REFRESH_MS = 3000;
const TITLES = { calls: "Live calls", ready: "Listen to a call", live: "Listening", over: "The call is over" };
const LIVE = { active: "Going on now", paused: "Paused", interrupted: "Interrupted, may come back" };
const CONNECTION = {
  connecting: "Connecting", waiting: "Waiting for the call to begin", live: "Listening", weak: "Listening; the caller's connection is weak",
  paused: "The caller has paused", interrupted: "The caller's connection is interrupted", reconnecting: "Reconnecting",
};

const nameOf = ({ sessionType }) => `${KINDS_OF_CALL[sessionType] ?? "Practice"} practice`;

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
    // The address names the call; jumping to the content must not change it.
    document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); byId("content").focus(); });
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
      this.#over(problem.title ?? "Something went wrong", problem.detail ?? problem.message, { again: true });
    }
  }

  async #list() {
    const calls = (await getSessions()).filter(({ status }) => status in LIVE);
    byId("calls-lead").textContent = calls.length ? "Choose a call to listen to." : "Nobody is on a call right now. Calls appear here as they begin.";
    // Left as it is while nothing changes, so that the focus stays where it is.
    const shown = JSON.stringify(calls.map(({ id, status }) => [id, status]));
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
      this.#over("This call is over", "What was kept of it is in its summary.", { summaryOf: id });
      return;
    }
    this.#session = session;
    byId("ready-title").textContent = `Listen to: ${nameOf(session)}`;
    const since = session.startTime ? `It began on ${dateAndTime(session.startTime)}.` : "It has not begun yet; listening starts by itself when it does.";
    byId("ready-lead").textContent = `${since} You will hear the caller and see what they are told.`;
    this.#show("ready");
  }

  #start() {
    const listening = new Listening(this.#session.id);
    this.#listening = listening;
    this.#record = new CallRecord();
    this.#isWeak = false;
    this.#transcript.clear();
    this.#cards.clear();
    byId("cards-empty").textContent = "Tips that the caller is shown appear here.";
    this.#gauges.start(null, "");
    byId("live-title").textContent = nameOf(this.#session);
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
      notify("sound", "warn", "The browser does not play the sound by itself.", [{ label: "Play", run: () => void this.#play(stream) }]);
    }
  }

  #event(envelope) {
    this.#record.apply(envelope);
    this.#passed(envelope.t);
    const { type, data } = envelope;
    if (type.startsWith("transcript.")) this.#transcript.show(this.#record.utterances.get(data.utterance));
    else if (type === "metrics") this.#gauges.score(data);
    else if (type === "feedback") this.#cards.add(data);
    else if (type === "bookmark") announce(`The caller bookmarked ${clock(data.atMs)}.`);
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
      const kept = recordingConsent ? "Its summary has every word and tip." : "Nothing of it is kept.";
      const text = problem?.detail ?? `It lasted ${duration(this.#record.durationMs)}. ${kept}`;
      this.#over("The call is over", text, { summaryOf: recordingConsent ? id : null });
    } else if (state === "lost") {
      const text = problem?.detail ?? problem?.message ?? "The connection could not be brought back.";
      this.#over("The call cannot be heard any more", text, { again: true });
    } else {
      this.#showState();
      if (problem) notify("connection", "warn", problem.detail);
      else if (state === "live") { if (dismiss("connection")) announce("The connection is back."); }
      else if (state === "reconnecting") notify("connection", "bad", "The connection was lost. Forecourt is trying to get it back for up to a minute.");
    }
  }

  #showState() {
    let state = this.#listening.state;
    if (state === "live" && ["paused", "interrupted"].includes(this.#record.state)) state = this.#record.state;
    else if (state === "live" && this.#isWeak) state = "weak";
    // A pause of the caller is no fault of the line.
    byId("connection").dataset.state = state === "interrupted" ? "weak" : state;
    byId("connection-text").textContent = CONNECTION[state] ?? state;
    const isStill = !["live", "weak"].includes(state);
    this.#gauges.pause(isStill);
    if (isStill) this.#speaking(false);
  }

  #speaking(is) {
    byId("speaking").dataset.speaking = String(is);
    byId("speaking-text").textContent = is ? "Speaking" : "Silent";
  }

  #passed(sessionMs) {
    byId("timer").textContent = clock(Math.max(sessionMs, this.#record.durationMs));
  }

  #mute(muted) {
    this.#sound.muted = muted;
    byId("mute-text").textContent = muted ? "Unmute" : "Mute";
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
    document.title = `${TITLES[view]} · Forecourt`;
    scrollTo(0, 0);
    // A new view starts at its heading, for those who do not see it change.
    if (!isFirst) document.querySelector(`section[data-view="${view}"] h1`).focus();
  }
}

function line({ id, sessionType, startTime, createdAt, durationMs, status }) {
  return element(
    "a", { class: "session", href: `#/sessions/${id}` },
    element("strong", {}, `${nameOf({ sessionType })}, ${dateAndTime(startTime ?? createdAt)}`),
    element("span", { class: "when" }, `${LIVE[status]} · ${duration(durationMs)} so far`),
  );
}

void new Listen().route();
