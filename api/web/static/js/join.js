// The join page: what one is invited to, consent, the microphone, and then the call.

import { joinCall, previewCall } from "./api.js";
import { Consent } from "./consent.js";
import { byId } from "./element.js";
import { titleOf } from "./kind.js";
import { listMicrophones, Microphone, obstacle } from "./microphone.js";
import { dismiss, dismissAll, notify } from "./notices.js";
import { OwnLevel } from "./own-level.js";
import { PartnerLive } from "./partner-live.js";
import { duringCall, signedIn } from "./shell.js";
import { language, text, write } from "./texts.js";

const STEPS = ["consent", "ready"];
const USES_MICROPHONE = new Set(["ready", "live"]);
/** Names the wording of what a partner agrees to; changes with it, and with the language. */
const textVersion = () => `partner-2026-11-23${language() === "en" ? "" : `-${language()}`}`;

class Join {
  #microphone = new Microphone();
  #consent = new Consent((recording) => this.#consented(recording));
  #level = new OwnLevel(this.#microphone, "check-level", "page.join.off");
  #live;
  #call = null;
  #recording = false;
  #retry = 0;

  constructor(me) {
    this.#live = new PartnerLive(me, this.#microphone, (how, problem) => this.#over(how, problem));
    byId("open").addEventListener("click", () => void this.#open());
    byId("join").addEventListener("click", () => void this.#join());
    byId("again").addEventListener("click", () => void this.route());
    byId("check-device").addEventListener("change", ({ target }) => void this.#open(target.value));
    addEventListener("hashchange", () => void this.route());
  }

  /** Shows what the code in the address invites to. */
  async route() {
    if (this.#live.isOn) return;
    clearTimeout(this.#retry);
    dismissAll();
    const code = location.hash.slice(1);
    const blocked = obstacle();
    if (blocked) this.#tell(text("page.blocked.browser"), blocked.message);
    else if (!code) this.#gone();
    else await this.#preview(code);
  }

  async #preview(code) {
    try {
      this.#call = { code, ...(await previewCall(code)) };
    } catch (problem) {
      if (problem.status === 404 || problem.status === 422) this.#gone();
      else this.#tell(text("page.join.not_yet"), problem.detail ?? problem.message, true);
      if (problem.status === 409 && problem.retryAfterS) this.#retry = setTimeout(() => void this.route(), problem.retryAfterS * 1000);
      return;
    }
    this.#invite();
  }

  #invite() {
    const { traineeName: name, sessionType, language: spoken, recording } = this.#call;
    byId("consent-title").textContent = text("page.join.title", { name });
    byId("consent-lead").textContent = text(`page.join.role.${sessionType}`, { name });
    byId("fact-kind").textContent = titleOf(sessionType);
    byId("fact-language").textContent = text(`page.join.spoken.${spoken}`);
    write(byId("fact-recording"), recording ? "page.join.recorded" : "page.join.not_recorded");
    this.#consent.asks(recording);
    byId("refused").hidden = true;
    this.#show("consent");
  }

  #consented(recording) {
    this.#recording = recording;
    byId("refused").hidden = true;
    if (this.#call.recording && !recording) {
      this.#refused(text("page.problem.code.recording_refused"));
      return;
    }
    this.#show("ready");
    this.#offerJoin();
    void this.#openIfAllowed();
  }

  // What asks no question needs no button.
  async #openIfAllowed() {
    if (await this.#microphone.isAllowed()) await this.#open(null);
  }

  #refused(why) {
    byId("refused-text").textContent = why;
    byId("refused").hidden = false;
    byId("refused").focus();
  }

  async #open(deviceId = null) {
    try {
      await this.#microphone.open(deviceId);
      dismiss("microphone");
    } catch (problem) {
      notify("microphone", "bad", problem.message);
    }
    this.#offerJoin();
    if (this.#microphone.isOpen && document.activeElement === document.body) byId("join").focus();
  }

  #offerJoin() {
    const { isOpen } = this.#microphone;
    byId("open").hidden = isOpen;
    byId("join").hidden = !isOpen;
    byId("check-picker").hidden = !isOpen;
    this.#level.say(isOpen ? "page.join.check" : "page.join.off");
    if (isOpen) void listMicrophones(byId("check-device"), this.#microphone);
  }

  async #join() {
    byId("join").disabled = true;
    dismissAll();
    try {
      const joined = await joinCall(this.#call.code, { coaching: true, recording: this.#recording, textVersion: textVersion() });
      this.#show("live");
      await this.#live.start(joined);
    } catch (problem) {
      this.#failed(problem);
    } finally {
      byId("join").disabled = false;
    }
  }

  #failed(problem) {
    const why = problem.detail ?? problem.message;
    if (problem.code === "recording_refused") {
      this.#show("consent");
      this.#refused(why);
    } else if (problem.status === 404) {
      this.#gone();
    } else {
      this.#show("ready");
      this.#offerJoin();
      notify("join", "bad", why, [{ label: text("page.try_again"), run: () => void this.#join() }]);
    }
  }

  #over(how, problem) {
    this.#tell(text(`page.join.over.${how}`), problem?.detail ?? text(`page.join.over.${how}_text`), how !== "over");
  }

  #gone() {
    this.#tell(text("page.join.gone"), text("page.join.gone_text"));
  }

  #tell(title, words, isAgain = false) {
    byId("told-title").textContent = title;
    byId("told-text").textContent = words;
    byId("again").hidden = !isAgain;
    this.#show("told");
  }

  #show(view) {
    const isFirst = !document.body.dataset.view;
    document.body.dataset.view = view;
    for (const section of document.querySelectorAll("[data-view]:not(body)")) section.hidden = section.dataset.view !== view;
    if (!USES_MICROPHONE.has(view)) this.#microphone.close();
    const at = STEPS.indexOf(view);
    byId("steps").hidden = at < 0;
    [...byId("steps").children].forEach((step, index) => {
      step.dataset.done = String(index < at);
      if (index === at) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
    duringCall(view === "live");
    document.title = text(`page.join.browser.${view}`);
    scrollTo(0, 0);
    // A new view starts at its heading, for those who do not see it change.
    if (!isFirst) document.querySelector(`section[data-view="${view}"] h1`).focus();
  }
}

let join = null;
const me = await signedIn({ changed: () => join.route() });
if (me) {
  join = new Join(me);
  await join.route();
}
