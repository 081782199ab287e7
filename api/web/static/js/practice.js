// The practice page: which step is shown, and what leads from one to the next.

import { AssignedCall } from "./assigned-call.js";
import { createSession, events, giveConsent, session as fetchSession, sessions as fetchSessions } from "./api.js";
import { forDevice, keepCall } from "./baseline.js";
import { Check } from "./check.js";
import { Consent, textVersion } from "./consent.js";
import { byId } from "./element.js";
import { Live } from "./live.js";
import { Microphone, obstacle } from "./microphone.js";
import { day } from "./moment.js";
import { dismissAll, notify } from "./notices.js";
import { CallRecord } from "./record.js";
import { listSessions } from "./sessions.js";
import { duringCall, signedIn } from "./shell.js";
import { Summary, tellMissing } from "./summary.js";
import { language, spokenLanguage, text, write } from "./texts.js";

const STEPS = ["consent", "check", "ready"];
const USES_MICROPHONE = new Set(["check", "ready", "live"]);

class Practice {
  #microphone = new Microphone();
  #summary = new Summary();
  #consent = new Consent((recording) => this.#consented(recording));
  #check = new Check(this.#microphone, () => this.#ready());
  #live = new Live(this.#microphone, (record, problem) => this.#finished(record, problem));
  #assigned = new AssignedCall();
  #recording = null;
  #session = null;
  #last = null;
  #turn = 0;
  // The device whose level this call tells: none where it was changed, or where the level moves by itself.
  #levelOf = null;

  #me;

  /** `me`: the UserView of who practises. */
  constructor(me) {
    this.#me = me;
    this.#microphone.addEventListener("changed", () => { this.#levelOf = null; });
    addEventListener("hashchange", () => void this.route());
    byId("ready-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#start(new FormData(event.target).get("kind"));
    });
    byId("ready-recheck").addEventListener("click", () => this.#recheck());
    byId("ready-consent").addEventListener("click", () => this.#show("consent"));
  }

  /** Shows what the address asks for: #/ (practice), #/new?assignment=ID, #/sessions, #/sessions/ID. */
  async route() {
    const [, place = "", id = ""] = location.hash.split("/");
    if (this.#live.isOn) {
      if (location.hash !== "#/") location.replace("#/");
      return;
    }
    this.#turn += 1;
    const turn = this.#turn;
    dismissAll();
    await this.#assigned.take();
    if (turn !== this.#turn) return;
    if (place === "sessions" && id) await this.#showSession(id, turn);
    else if (place === "sessions") await this.#showSessions(turn);
    else this.#practise();
  }

  #practise() {
    const blocked = obstacle();
    if (blocked) {
      this.#block(text(`page.blocked.${blocked.code === "insecure" ? "insecure" : "browser"}`), blocked.message);
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
    byId("ready-microphone").textContent = baseline && !baseline.calls
      ? text("page.ready.checked", { microphone: label, day: day(baseline.date), level: baseline.speechLevelDbfs })
      : text("page.ready.unchecked", { microphone: label });
    const compared = baseline?.calls ? "calls" : baseline ? "on" : "unknown";
    write(byId("ready-volume"), `page.ready.volume_${levelIsTrue ? compared : "gain"}`);
    write(byId("ready-recording"), this.#recording ? "page.ready.kept" : "page.ready.not_kept");
    // Where the page is not English, it may not be plain which language the node expects to hear.
    byId("ready-speech").hidden = language() === "en";
    write(byId("ready-spoken"), spokenLanguage() === language() ? "page.ready.speech_own" : "page.ready.speech_english");
    byId("start").disabled = false;
    this.#assigned.show();
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
      this.#session = await createSession({
        sessionType, ...(baseline && { baseline }), device: { label, settings }, language: spokenLanguage(), ...this.#assigned.wanted,
      });
      this.#levelOf = levelIsTrue ? label : null;
      await giveConsent(this.#session.id, this.#recording, textVersion());
      this.#show("live");
      await this.#live.start(this.#session);
    } catch (problem) {
      this.#ready();
      notify("start", "bad", problem.detail ?? problem.message, [{ label: text("page.try_again"), run: () => void this.#start(sessionType) }]);
    } finally {
      start.disabled = false;
    }
  }

  async #finished(record, problem) {
    const { id } = this.#session;
    if (this.#levelOf !== null && record.metrics) keepCall(this.#levelOf, record.metrics.quantities);
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
      items = await fetchSessions({ userId: this.#me.id });
    } catch (problem) {
      notify("sessions", "bad", problem.detail ?? problem.message, [{ label: text("page.try_again"), run: () => void this.route() }]);
    }
    if (turn !== this.#turn) return;
    listSessions(items);
    this.#show("sessions");
  }

  #block(title, why) {
    byId("blocked-title").textContent = title;
    byId("blocked-text").textContent = why;
    this.#show("blocked");
  }

  #show(view) {
    const isFirst = !document.body.dataset.view;
    document.body.dataset.view = view;
    for (const section of document.querySelectorAll("[data-view]:not(body)")) section.hidden = section.dataset.view !== view;
    if (view !== "summary") this.#summary.hide();
    if (!USES_MICROPHONE.has(view)) this.#microphone.close();
    this.#showSteps(view);
    duringCall(view === "live");
    document.title = text(`page.title.${view}`);
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

let practice = null;
const me = await signedIn({ changed: () => practice.route() });
if (me) {
  practice = new Practice(me);
  await practice.route();
}
