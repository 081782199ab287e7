// The practice page: which step is shown, and what leads from one to the next.

import { createSession, events, giveConsent, session as fetchSession, sessions as fetchSessions } from "./api.js";
import { forDevice } from "./baseline.js";
import { Check } from "./check.js";
import { Consent, TEXT_VERSION } from "./consent.js";
import { byId } from "./element.js";
import { Live } from "./live.js";
import { Microphone, obstacle } from "./microphone.js";
import { day, decimal } from "./moment.js";
import { dismissAll, notify } from "./notices.js";
import { CallRecord } from "./record.js";
import { listSessions } from "./sessions.js";
import { Summary, tellMissing } from "./summary.js";

const STEPS = ["consent", "check", "ready"];
const USES_MICROPHONE = new Set(["check", "ready", "live"]);
const TITLES = {
  consent: "Consent", check: "Microphone", ready: "Ready", live: "On a call", summary: "Summary", sessions: "Past sessions", blocked: "Not possible here",
};

class Practice {
  #microphone = new Microphone();
  #summary = new Summary();
  #consent = new Consent((recording) => this.#consented(recording));
  #check = new Check(this.#microphone, () => this.#ready());
  #live = new Live(this.#microphone, (record, problem) => this.#finished(record, problem));
  #recording = null;
  #session = null;
  #last = null;
  #turn = 0;

  constructor() {
    addEventListener("hashchange", () => void this.route());
    byId("ready-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#start(new FormData(event.target).get("kind"));
    });
    byId("ready-recheck").addEventListener("click", () => this.#recheck());
    byId("ready-consent").addEventListener("click", () => this.#show("consent"));
  }

  /** Shows what the address asks for: #/ (practice), #/sessions, #/sessions/ID. */
  async route() {
    const [, place = "", id = ""] = location.hash.split("/");
    if (this.#live.isOn) {
      if (location.hash !== "#/") location.replace("#/");
      return;
    }
    this.#turn += 1;
    dismissAll();
    if (place === "sessions" && id) await this.#showSession(id, this.#turn);
    else if (place === "sessions") await this.#showSessions(this.#turn);
    else this.#practise();
  }

  #practise() {
    const blocked = obstacle();
    if (blocked) {
      this.#block(blocked.code === "insecure" ? "This address is not secure" : "This browser cannot be used", blocked.message);
    } else if (this.#recording === null) {
      this.#show("consent");
    } else {
      void this.#afterConsent();
    }
  }

  #consented(recording) {
    this.#recording = recording;
    void this.#afterConsent();
  }

  async #afterConsent() {
    if (await this.#check.isKnown()) this.#ready();
    else this.#recheck();
  }

  #recheck() {
    this.#show("check");
    this.#check.show();
  }

  #ready() {
    const { label, levelIsTrue } = this.#microphone;
    const baseline = forDevice(label);
    byId("ready-microphone").textContent = baseline
      ? `${label}, checked on ${day(baseline.date)} (voice ${decimal(baseline.speechLevelDbfs, 0)} dBFS)`
      : `${label}, not checked`;
    byId("ready-volume").textContent = !levelIsTrue
      ? "Off: this browser does not confirm that automatic gain control is off"
      : baseline ? "On, compared with your own check" : "Off: there is no check to compare with";
    byId("ready-recording").textContent = this.#recording ? "Sound and words are kept" : "Nothing is kept";
    byId("start").disabled = false;
    this.#show("ready");
  }

  async #start(sessionType) {
    const start = byId("start");
    start.disabled = true;
    dismissAll();
    try {
      if (!this.#microphone.isOpen) await this.#microphone.open();
      const { label, settings, levelIsTrue } = this.#microphone;
      const known = levelIsTrue ? forDevice(label) : null;
      const baseline = known && { speechLevelDbfs: known.speechLevelDbfs, noiseFloorDbfs: known.noiseFloorDbfs };
      this.#session = await createSession({ sessionType, ...(baseline && { baseline }), device: { label, settings } });
      await giveConsent(this.#session.id, this.#recording, TEXT_VERSION);
      this.#show("live");
      await this.#live.start(this.#session);
    } catch (problem) {
      this.#ready();
      notify("start", "bad", problem.detail ?? problem.message, [{ label: "Try again", run: () => void this.#start(sessionType) }]);
    } finally {
      start.disabled = false;
    }
  }

  async #finished(record, problem) {
    const { id } = this.#session;
    const known = await fetchSession(id).catch(() => ({ ...this.#session, recordingConsent: this.#recording, status: record.state }));
    this.#last = { id, session: known, record };
    history.pushState(null, "", `#/sessions/${id}`);
    await this.route();
    if (problem) notify("ended", "warn", problem);
  }

  async #showSession(id, turn) {
    const fresh = this.#last?.id === id;
    let shown = this.#last;
    if (!fresh) {
      try {
        const [session, items] = await Promise.all([fetchSession(id), events(id)]);
        const record = new CallRecord();
        for (const event of items) record.apply(event);
        shown = { session, record };
      } catch (problem) {
        if (turn === this.#turn) await this.#showSessions(turn);
        tellMissing(problem);
        return;
      }
    }
    if (turn !== this.#turn) return;
    this.#summary.show(shown.session, shown.record, fresh);
    this.#show("summary");
  }

  async #showSessions(turn) {
    let items = [];
    try {
      items = await fetchSessions();
    } catch (problem) {
      notify("sessions", "bad", problem.detail ?? problem.message, [{ label: "Try again", run: () => void this.route() }]);
    }
    if (turn !== this.#turn) return;
    listSessions(items);
    this.#show("sessions");
  }

  #block(title, text) {
    byId("blocked-title").textContent = title;
    byId("blocked-text").textContent = text;
    this.#show("blocked");
  }

  #show(view) {
    const isFirst = !document.body.dataset.view;
    document.body.dataset.view = view;
    for (const section of document.querySelectorAll("[data-view]:not(body)")) section.hidden = section.dataset.view !== view;
    if (view !== "summary") this.#summary.hide();
    if (!USES_MICROPHONE.has(view)) this.#microphone.close();
    this.#showSteps(view);
    byId("navigation").hidden = view === "live";
    const route = ["summary", "sessions"].includes(view) ? "sessions" : "practice";
    for (const link of byId("navigation").children) {
      if (link.dataset.route === route) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = `${TITLES[view]} · Forecourt`;
    scrollTo(0, 0);
    // A new view starts at its heading, for those who do not see it change.
    if (!isFirst) document.querySelector(`section[data-view="${view}"] h1`).focus();
  }

  #showSteps(view) {
    const at = STEPS.indexOf(view);
    byId("steps").hidden = at < 0;
    [...byId("steps").children].forEach((step, index) => {
      step.dataset.done = String(index < at);
      if (index === at) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
  }
}

void new Practice().route();
